package api

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/gin-gonic/gin"
)

// refusalKey is the context key of why a request is refused.
type refusalKey struct{}

// Refuser makes a function that answers with a problem, as an operation would, for
// those who refuse a request before it gets to the API.
func Refuser() func(http.ResponseWriter, *http.Request, error) {
	gin.SetMode(gin.ReleaseMode)
	h := &handler{config: Config{NewRequestID: rand.Text}}
	engine := gin.New()
	engine.NoRoute(h.begin, func(c *gin.Context) {
		err, _ := c.Request.Context().Value(refusalKey{}).(error)
		fail(c, err)
	})
	return func(w http.ResponseWriter, r *http.Request, err error) {
		engine.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), refusalKey{}, err)))
	}
}
