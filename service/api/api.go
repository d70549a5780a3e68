// Package api is Bothy over HTTP: the REST API of openapi.yaml, the probes and
// the metrics. It checks and translates; what is done is the registrar's work.
package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/tracing"
)

// Time limits that suit a server of this handler: the longest answer waits for
// Nomad to check a job. Streams take these limits off for themselves. Of headers, as
// much is read as a browser's cookies may have: see auth.BoundCookies.
const (
	ReadHeaderTimeout = 5 * time.Second
	ReadTimeout       = 30 * time.Second
	WriteTimeout      = 60 * time.Second
	IdleTimeout       = 2 * time.Minute
	MaxHeaderBytes    = 1 << 20
)

// Config is what the API needs. Registrar, Authenticator, Belongings, Credentials,
// Receipts, Tasks, Door and Log must be there; the rest may be zero.
type Config struct {
	Registrar     Registrar
	Authenticator Authenticator
	Belongings    Belongings
	Credentials   Credentials
	Receipts      Receipts
	Tasks         Tasks
	Door          Door
	Log           *slog.Logger

	// Streams are ended by who ends the server; nil makes some that never are.
	Streams *Streams

	// Version is the program's version, InstallationID the store's.
	Version        string
	InstallationID string
	// Dependencies are asked when somebody wants to know how Bothy is.
	Dependencies []Dependency
	// Reconciler tells how this instance's reconciler is doing; nil is shown as not known.
	Reconciler func() ReconcilerState
	// Events is where changes are followed; nil is shown as not available.
	Events EventSource
	// Heartbeat is how often a stream of events gives a sign of life. Default 15 s.
	Heartbeat time.Duration
	// Metrics is the registry behind /metrics, to which the API adds its own; nil makes one.
	Metrics *prometheus.Registry
	// TrustedOrigins may write from a browser besides the address that a request
	// was sent to: "https://bothy.example.edu".
	TrustedOrigins []string
	// TrustedProxies are the addresses or networks whose X-Forwarded-For is believed.
	TrustedProxies []string

	// AnswerWait is how long a request waits for the answer of the same request that
	// is just being carried out under its key; default 2 s.
	AnswerWait time.Duration
	// Traces takes the spans of requests; nil for none.
	Traces trace.TracerProvider

	// Now, Ticks and NewRequestID may be set by tests. Ticks ticks until it is stopped.
	Now          func() time.Time
	Ticks        func(every time.Duration) (ticks <-chan time.Time, stop func())
	NewRequestID func() string
}

// handler holds what all requests share.
type handler struct {
	config      Config
	contract    *contract
	metrics     *metrics
	crossOrigin *http.CrossOriginProtection
	server      *server
	reference   *reference
	tracer      trace.Tracer
}

// New makes the handler of everything that Bothy serves on its console and API
// origin. An unusable Config is an error.
func New(config Config) (http.Handler, error) {
	if config.Registrar == nil || config.Authenticator == nil || config.Belongings == nil || config.Credentials == nil || config.Receipts == nil ||
		config.Tasks == nil || config.Door == nil || config.Log == nil {
		return nil, errors.New("api: Registrar, Authenticator, Belongings, Credentials, Receipts, Tasks, Door and Log must be set")
	}
	h, err := newHandler(config.withDefaults())
	if err != nil {
		return nil, err
	}
	engine, err := h.engine()
	if err != nil {
		return nil, err
	}
	return headAsGet(engine), nil
}

func (config Config) withDefaults() Config {
	if config.Reconciler == nil {
		config.Reconciler = func() ReconcilerState {
			return ReconcilerState{Err: lab.Errorf(lab.CodeUnavailable, "its state is not known")}
		}
	}
	if config.Streams == nil {
		config.Streams = NewStreams()
	}
	if config.Events == nil {
		config.Events = func(context.Context, int64, func(lab.Event) bool) (EventStream, error) {
			return nil, lab.Errorf(lab.CodeUnavailable, "this server tells of no changes")
		}
	}
	if config.Heartbeat == 0 {
		config.Heartbeat = heartbeat
	}
	if config.Metrics == nil {
		config.Metrics = prometheus.NewRegistry()
	}
	if config.AnswerWait == 0 {
		config.AnswerWait = answerWait
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Ticks == nil {
		config.Ticks = func(every time.Duration) (<-chan time.Time, func()) {
			ticker := time.NewTicker(every)
			return ticker.C, ticker.Stop
		}
	}
	if config.NewRequestID == nil {
		config.NewRequestID = rand.Text
	}
	return config
}

func newHandler(config Config) (*handler, error) {
	h := &handler{config: config, tracer: tracing.Tracer(config.Traces), crossOrigin: http.NewCrossOriginProtection(), server: &server{config: config}}
	for _, origin := range config.TrustedOrigins {
		if err := h.crossOrigin.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("trusted origin: %w", err)
		}
	}
	var err error
	if h.contract, err = theContract(); err != nil {
		return nil, err
	}
	if h.metrics, err = newMetrics(config.Metrics); err != nil {
		return nil, err
	}
	h.server.metrics = h.metrics
	if h.reference, err = newReference(); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *handler) engine() (*gin.Engine, error) {
	// Gin's mode is one for the process; the API is Gin's only user here, and
	// setting it again to the same value is harmless.
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.ContextWithFallback = true
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	// A slash that is percent-encoded inside a name stays inside that name.
	engine.UseEscapedPath = true
	if err := engine.SetTrustedProxies(h.config.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	engine.Use(h.begin, h.observe, h.refuseCrossOrigin)
	engine.NoRoute(h.noRoute)
	engine.NoMethod(h.noMethod)

	engine.GET("/healthz", getHealth)
	engine.GET("/readyz", h.getReady)
	engine.GET("/metrics", gin.WrapH(promhttp.HandlerFor(h.config.Metrics, promhttp.HandlerOpts{})))
	engine.GET("/v1/openapi.json", h.getContract)
	engine.GET("/docs", h.getReference)
	engine.GET("/docs/*asset", h.getReferenceAsset)

	guarded := engine.Group("", h.authenticate, h.checkRequest, h.lookAgain, h.readIntent, h.authorize, h.once, refuseGone)
	guarded.GET("/v1/audit", h.listAudit)
	guarded.GET("/v1/workspaces/:workspace/logs", h.getWorkspaceLogs)
	guarded.GET("/v1/workspaces/:workspace/exec", h.execInWorkspace)
	RegisterHandlersWithOptions(guarded, h.operations(), GinServerOptions{
		ErrorHandler: func(c *gin.Context, err error, _ int) { fail(c, notBound(err)) },
	})
	return engine, nil
}

// operations is the generated dispatch to the server's methods.
func (h *handler) operations() ServerInterface {
	return NewStrictHandlerWithOptions(h.server, []StrictMiddlewareFunc{detach, anyRoster}, StrictGinServerOptions{
		RequestErrorHandlerFunc:  func(c *gin.Context, err error) { fail(c, notBound(err)) },
		HandlerErrorFunc:         fail,
		ResponseErrorHandlerFunc: func(c *gin.Context, err error) { fail(c, fmt.Errorf("write the answer: %w", err)) },
	})
}

// detach hands operations a context of their own: Gin uses its contexts again
// for later requests, which whoever still holds one must not see.
func detach(next StrictHandlerFunc, _ string) StrictHandlerFunc {
	return func(c *gin.Context, request any) (any, error) { return next(c.Copy(), request) }
}

// anyRoster hands the import of a roster its body, whichever of the types it has,
// and says which.
func anyRoster(next StrictHandlerFunc, _ string) StrictHandlerFunc {
	return func(c *gin.Context, request any) (any, error) {
		if r, ok := request.(ImportRosterRequestObject); ok {
			r.Body = c.Request.Body
			declared := context.WithValue(c.Request.Context(), declaredKey{}, c.GetHeader("Content-Type"))
			c.Request, request = c.Request.WithContext(declared), r
		}
		return next(c, request)
	}
}

// notBound is a request that passed the contract's check and still does not fit
// the generated types.
func notBound(err error) error {
	e := invalidBody("request", "does not fit the contract", "compare it with /v1/openapi.json")
	e.Cause = err
	return e
}

// headAsGet answers HEAD as GET, but for a stream, which would never end; net/http
// leaves the body away.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && r.URL.Path != pathEvents {
			r = r.WithContext(r.Context())
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}
