package api

import (
	"context"
	"fmt"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// ListTemplates gives a page of the newest versions of the templates.
func (s *server) ListTemplates(ctx context.Context, r ListTemplatesRequestObject) (ListTemplatesResponseObject, error) {
	found, err := s.config.Registrar.Templates(ctx, lab.TemplateFilter{Search: given(r.Params.Search)},
		pageOf(r.Params.Limit, r.Params.Cursor, r.Params.Sort))
	if err != nil {
		return nil, err
	}
	return ListTemplates200JSONResponse{Items: each(found.Items, asTemplateVersion), NextCursor: nextOf(found)}, nil
}

// GetTemplate gives one version of a template.
func (s *server) GetTemplate(ctx context.Context, r GetTemplateRequestObject) (GetTemplateResponseObject, error) {
	found, err := s.config.Registrar.Template(ctx, r.Template, given(r.Params.Version))
	if err != nil {
		return nil, err
	}
	return GetTemplate200JSONResponse{
		Body: asTemplate(found), Headers: GetTemplate200ResponseHeaders{ETag: `"` + found.Digest + `"`},
	}, nil
}

// ListTemplateVersions gives a page of the versions of a template.
func (s *server) ListTemplateVersions(ctx context.Context, r ListTemplateVersionsRequestObject) (ListTemplateVersionsResponseObject, error) {
	found, err := s.config.Registrar.TemplateVersions(ctx, r.Template, pageOf(r.Params.Limit, r.Params.Cursor, r.Params.Sort))
	if err != nil {
		return nil, err
	}
	return ListTemplateVersions200JSONResponse{Items: each(found.Items, asTemplateVersion), NextCursor: nextOf(found)}, nil
}

// PushTemplate registers a version of a template.
func (s *server) PushTemplate(ctx context.Context, r PushTemplateRequestObject) (PushTemplateResponseObject, error) {
	author, origin := given(r.Body.Author), given(r.Body.Origin)
	intent := intentOf(ctx)
	pushed, err := s.config.Registrar.PushTemplate(ctx, intent, registrar.TemplateInput{
		Name: r.Template, Source: r.Body.Source, Message: given(r.Body.Message),
		Author: lab.Author{Name: given(author.Name), Email: given(author.Email)},
		Origin: lab.TemplateOrigin{
			Kind: lab.OriginKind(origin.Kind), URL: given(origin.URL), Path: given(origin.Path),
			Revision: given(origin.Revision), Dirty: given(origin.Dirty),
		},
	})
	if err != nil {
		return nil, err
	}
	tag := `"` + pushed.Digest + `"`
	if !pushed.New {
		return PushTemplate200JSONResponse{Body: asPushedTemplate(pushed), Headers: PushTemplate200ResponseHeaders{ETag: tag}}, nil
	}
	if intent.DryRun {
		tag = "W/" + tag
	}
	return PushTemplate201JSONResponse{
		Body: asPushedTemplate(pushed),
		Headers: PushTemplate201ResponseHeaders{
			ETag: tag, Location: fmt.Sprintf("/v1/templates/%s?version=%d", pushed.Name, pushed.Version),
		},
	}, nil
}
