package pages

import (
	"context"
	"fmt"

	"github.com/bothylabs/bothy/service/auth"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// maxClasses bounds how many classes the first page shows.
const maxClasses = 50

// classCard is one class on the first page.
type classCard struct {
	Course, Cohort string
	// State is how it is as a word, Kind its colour, Text the same in numbers.
	State, Kind, Text string
	// Command leads on from here.
	Command string
}

// classesPart is what those who teach see of their classes.
type classesPart struct {
	Classes []classCard
	// All says that it has everybody's classes; More that there are more than are shown.
	All, More bool
	// Makes says that the visitor may make classes.
	Makes bool
	// Address is where the command line signs in.
	Address string
}

// classes gives the classes that the visitor may see, the newest first; nil for those
// who see workspaces of their own alone.
func (h *handler) classes(ctx context.Context, caller lab.Caller) (*classesPart, error) {
	if auth.Allows("listClasses", caller, lab.Belonging{}) != nil {
		return nil, nil
	}
	viewer := caller.Viewer()
	list, err := h.Classes.Classes(ctx, registrar.ClassFilter{For: viewer}, lab.Page{Limit: maxClasses, Sort: "-created_at"})
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(list.Items))
	for i, class := range list.Items {
		ids[i] = class.ID
	}
	progress, err := h.Classes.ClassProgress(ctx, ids)
	if err != nil {
		return nil, err
	}
	part := &classesPart{
		All: viewer.SeesAll(), More: list.Next != "", Address: h.ConsoleURL,
		Makes: auth.Allows("createClass", caller, lab.Belonging{}) == nil,
	}
	for _, class := range list.Items {
		launches := auth.Allows("launchClass", caller, lab.Belonging{ClassID: class.ID, CohortID: class.CohortID, CourseID: class.CourseID}) == nil
		part.Classes = append(part.Classes, classCardOf(class, progress[class.ID], launches))
	}
	return part, nil
}

// classCardOf says in words how a class is, and what leads on.
func classCardOf(class lab.Class, p lab.ClassProgress, launches bool) classCard {
	c := classCard{Course: class.CourseKey, Cohort: class.CohortKey, Command: "bothy status " + class.Key()}
	c.Text = fmt.Sprintf("%d of %s ready", p.Ready, plural(p.Workspaces, "workspace"))
	if p.Failed > 0 {
		c.Text += fmt.Sprintf(", %d failed or lost", p.Failed)
	}
	if stopped := p.Workspaces - p.Running; stopped > 0 {
		c.Text += fmt.Sprintf(", %d stopped", stopped)
	}
	c.Text += "."
	switch {
	case class.Deleting:
		c.State, c.Kind, c.Text = "Going", "off", "It is being deleted."
	case p.Workspaces == 0 && launches:
		c.State, c.Kind, c.Text, c.Command = "Not launched", "off", "Nobody has a workspace yet.", "bothy run "+class.Key()
	case p.Workspaces == 0:
		c.State, c.Kind, c.Text = "Not launched", "off", "Nobody has a workspace yet; an instructor launches it."
	case p.Failed > 0:
		c.State, c.Kind, c.Command = "Trouble", "bad", "bothy status -phase failed,lost "+class.Key()
	case p.Running == 0:
		c.State, c.Kind = "Stopped", "off"
	case p.Ready == p.Running:
		c.State, c.Kind = "Ready", "good"
	default:
		c.State, c.Kind = "Starting", "busy"
	}
	return c
}
