package api

import "github.com/bothylabs/bothy/service/lab"

// pageOf is the page that a list's query asks for.
func pageOf[Sort ~string](limit *Limit, cursor *Cursor, sort *Sort) lab.Page {
	return lab.Page{Limit: given(limit), Cursor: given(cursor), Sort: string(given(sort))}
}

// nextOf is where the next page begins; nil on the last one.
func nextOf[T any](list lab.List[T]) *string {
	if list.Next == "" {
		return nil
	}
	return &list.Next
}
