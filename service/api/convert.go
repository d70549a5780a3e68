package api

import (
	"encoding/json"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

func asCohort(c lab.Cohort) Cohort {
	return Cohort{ID: c.ID, Key: c.Key, Name: c.Name, Students: c.Students, Withdrawn: c.Withdrawn, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
}

func asStudent(s lab.Student) Student {
	return Student{
		ID:          s.ID,
		CohortID:    s.CohortID,
		UserID:      s.UserID,
		Name:        s.Name,
		Email:       s.Email,
		CreatedAt:   s.CreatedAt,
		UpdatedAt:   s.UpdatedAt,
		WithdrawnAt: s.WithdrawnAt,
	}
}

func asStudentInput(in StudentInput) registrar.StudentInput {
	return registrar.StudentInput{Name: in.Name, Email: in.Email}
}

func asCourse(c lab.Course) Course {
	return Course{
		ID:              c.ID,
		Key:             c.Key,
		Name:            c.Name,
		Template:        c.Template,
		TemplateVersion: c.TemplateVersion,
		Parameters:      parametersOf(c.Parameters),
		CreatedAt:       c.CreatedAt,
		UpdatedAt:       c.UpdatedAt,
	}
}

// parametersOf gives what JSON has as an object, also where there is nothing in it.
func parametersOf(parameters map[string]any) map[string]any {
	if parameters == nil {
		return map[string]any{}
	}
	return parameters
}

func asCoursePatch(in CoursePatch) registrar.CoursePatch {
	return registrar.CoursePatch{
		Name: in.Name, Template: in.Template, TemplateVersion: in.TemplateVersion, Parameters: (*map[string]any)(in.Parameters),
	}
}

func asClass(c lab.Class) Class {
	return Class{
		ID:         c.ID,
		Key:        c.Key(),
		Cohort:     c.CohortKey,
		Course:     c.CourseKey,
		CohortID:   c.CohortID,
		CourseID:   c.CourseID,
		Parameters: parametersOf(c.Parameters),
		Deleting:   c.Deleting,
		CreatedAt:  c.CreatedAt,
		UpdatedAt:  c.UpdatedAt,
	}
}

func asWorkspace(w registrar.WorkspaceView) Workspace {
	out := Workspace{
		ID:        w.ID,
		Slug:      w.Slug.String(),
		URL:       w.URL,
		Class:     w.CohortKey + "/" + w.CourseKey,
		ClassID:   w.ClassID,
		Cohort:    w.CohortKey,
		Course:    w.CourseKey,
		Student:   WorkspaceStudent{ID: w.StudentID, Name: w.StudentName, Email: w.StudentEmail},
		Desired:   Desired(w.Desired),
		Phase:     Phase(w.Status.Phase),
		Reason:    w.Status.Reason,
		Since:     timeOrNil(w.Status.Since),
		Due:       due(w.Workspace),
		Drifted:   w.Status.Drifted,
		Outdated:  w.Status.Outdated,
		CreatedAt: w.CreatedAt,
		UpdatedAt: w.UpdatedAt,
		DeletedAt: w.DeletedAt,
	}
	if out.Phase == "" {
		out.Phase = PhaseUnknown
	}
	if w.Status.NodeName != "" {
		out.Node = &w.Status.NodeName
	}
	return out
}

// due names what was asked of a workspace and is still to be done.
func due(w lab.Workspace) []string {
	acts := []string{} // JSON has [] then
	if w.Desired == lab.DesiredRunning && w.RestartsWanted > w.Submitted.RestartsDone {
		acts = append(acts, string(registrar.ActRestart))
	}
	if w.Desired != lab.DesiredDeleted && w.ResetsWanted > w.ResetsDone {
		acts = append(acts, string(registrar.ActReset))
	}
	return acts
}

func asTemplateVersion(v lab.TemplateVersion) TemplateVersion {
	return TemplateVersion{
		Name: v.Name, Version: v.Version, Description: v.Description, Digest: v.Digest,
		Origin: TemplateOrigin{
			Kind: OriginKind(v.Origin.Kind), URL: v.Origin.URL, Path: v.Origin.Path, Revision: v.Origin.Revision, Dirty: v.Origin.Dirty,
		},
		Author:       TemplateAuthor{Name: v.Author.Name, Email: v.Author.Email},
		RegisteredBy: v.RegisteredBy, Message: v.Message, CreatedAt: v.CreatedAt,
	}
}

func asTemplate(t registrar.TemplateView) Template {
	v := asTemplateVersion(t.TemplateVersion)
	return Template{
		Name: v.Name, Version: v.Version, Description: v.Description, Digest: v.Digest, Origin: v.Origin, Author: v.Author,
		RegisteredBy: v.RegisteredBy, Message: v.Message, CreatedAt: v.CreatedAt,
		Source: t.Source, Variables: each(t.Variables, asVariable),
	}
}

func asPushedTemplate(p registrar.RegisteredTemplate) PushedTemplate {
	t := asTemplate(p.TemplateView)
	return PushedTemplate{
		Name: t.Name, Version: t.Version, Description: t.Description, Digest: t.Digest, Origin: t.Origin, Author: t.Author,
		RegisteredBy: t.RegisteredBy, Message: t.Message, CreatedAt: t.CreatedAt,
		Source: t.Source, Variables: t.Variables, Unasked: p.Unasked,
	}
}

func asVariable(v jobspec.Variable) Variable {
	return Variable{
		Name: v.Name, Type: v.Type, Description: v.Description,
		Required: v.Required, Reserved: v.Reserved, Default: v.Default,
	}
}

// asCurrent shows what a stale request was about, with its revision.
func asCurrent(current any) (members *map[string]any, revision int64, ok bool) {
	var shown any
	switch now := current.(type) {
	case lab.Cohort:
		shown, revision = asCohort(now), now.Revision
	case lab.Student:
		shown, revision = asStudent(now), now.Revision
	case lab.Course:
		shown, revision = asCourse(now), now.Revision
	case lab.Class:
		shown, revision = asClass(now), now.Revision
	case lab.Secret:
		shown, revision = asSecret(now), now.Revision
	case lab.User:
		shown, revision = asUser(now), now.Revision
	case lab.Appointment:
		shown, revision = asAppointed(now), now.Revision
	case registrar.WorkspaceView:
		shown, revision = asWorkspace(now), now.Version
	default:
		return nil, 0, false
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return nil, 0, false
	}
	err = json.Unmarshal(text, &members)
	return members, revision, err == nil
}
