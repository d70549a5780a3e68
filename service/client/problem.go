package client

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/bothylabs/bothy/service/lab"
)

// Error gives the problem as one line, without the hint.
func (p *Problem) Error() string {
	text := p.Detail
	for i, field := range p.Fields {
		if i == 0 {
			text += ": "
		} else {
			text += "; "
		}
		text += lab.Field(field).String()
	}
	return text
}

// As lets errors.As and lab.CodeOf see a problem as the coded error that the
// server had.
func (p *Problem) As(target any) bool {
	coded, ok := target.(**lab.Error)
	if !ok {
		return false
	}
	e := &lab.Error{Code: lab.Code(p.Code), Message: p.Detail, Hint: p.Hint}
	for _, field := range p.Fields {
		e.Fields = append(e.Fields, lab.Field(field))
	}
	*coded = e
	return true
}

// readProblem reads the problem document of an answer, and closes the answer.
func readProblem(answer *http.Response) error {
	var problem Problem
	err := errors.Join(json.NewDecoder(answer.Body).Decode(&problem), answer.Body.Close())
	if err != nil {
		return lab.Wrap(lab.CodeUnavailable, err, "Bothy answered %q with a problem that cannot be read", answer.Status)
	}
	if problem.Code == "" {
		return lab.Errorf(lab.CodeUnavailable, "Bothy answered %q without a reason", answer.Status)
	}
	return &problem
}
