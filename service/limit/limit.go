// Package limit bounds how fast one address and one caller may ask, in front of
// everything that a server answers.
package limit

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/bothylabs/bothy/service/lab"
)

// remembered bounds how many addresses, and how many callers, are known at a time;
// of more, those that asked longest ago are forgotten. An entry is about 200 bytes.
const remembered = 20_000

// Config says how fast is too fast. Refuse must be there.
type Config struct {
	// PerAddress and PerCaller are requests a second, over time; ten seconds' worth
	// may come at once. 0 for no limit. A caller is a credential, known or not.
	PerAddress, PerCaller int
	// Cookies name the cookies that are credentials.
	Cookies []string
	// TrustedProxies are the addresses or networks whose X-Forwarded-For is believed.
	TrustedProxies []string
	// Exempt are paths that are never refused: probes.
	Exempt []string
	// Refuse answers a request that came too fast.
	Refuse func(http.ResponseWriter, *http.Request, error)
	// Registry takes the metric; nil for none.
	Registry prometheus.Registerer
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Handler hands on what does not come too fast.
type Handler struct {
	cfg     Config
	next    http.Handler
	trusted []netip.Prefix
	address *buckets
	caller  *buckets
	refused *prometheus.CounterVec
}

// burstSeconds is how much may come at once, in seconds of the rate.
const burstSeconds = 10

// New makes a Handler in front of next.
func New(cfg Config, next http.Handler) (*Handler, error) {
	if cfg.Refuse == nil {
		return nil, errors.New("limit: Refuse must be set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &Handler{cfg: cfg, next: next, refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bothy_http_refused_total",
		Help: "Requests that were refused because too many came, by what sent too many: address or caller.",
	}, []string{"by"})}
	for _, text := range cfg.TrustedProxies {
		prefix, err := prefixOf(text)
		if err != nil {
			return nil, fmt.Errorf("trusted proxies: %w", err)
		}
		h.trusted = append(h.trusted, prefix)
	}
	var err error
	if h.address, err = newBuckets(cfg.PerAddress); err != nil {
		return nil, err
	}
	if h.caller, err = newBuckets(cfg.PerCaller); err != nil {
		return nil, err
	}
	if cfg.Registry != nil {
		var there prometheus.AlreadyRegisteredError
		if err := cfg.Registry.Register(h.refused); errors.As(err, &there) {
			h.refused, _ = there.ExistingCollector.(*prometheus.CounterVec) // of another Handler: they are counted together
		} else if err != nil {
			return nil, fmt.Errorf("register the metric of limits: %w", err)
		}
	}
	for _, by := range []string{"address", "caller"} {
		h.refused.WithLabelValues(by)
	}
	return h, nil
}

func prefixOf(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return p, fmt.Errorf("%q is no network: %w", text, err)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no address: %w", text, err)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if slices.Contains(h.cfg.Exempt, r.URL.Path) {
		h.next.ServeHTTP(w, r)
		return
	}
	now := h.cfg.Now()
	wait, by := h.address.take(h.addressOf(r), now), "address"
	if wait == 0 {
		if key := h.callerOf(r); key != "" {
			wait, by = h.caller.take(key, now), "caller"
		}
	}
	if wait > 0 {
		h.refused.WithLabelValues(by).Inc()
		refusal := lab.Errorf(lab.CodeTooMany, "too many requests came from this %s", by).
			WithHint("wait for as long as Retry-After says; ask for lists in larger pages, and follow events instead of asking again and again")
		refusal.RetryAfter = wait
		h.cfg.Refuse(w, r, refusal)
		return
	}
	h.next.ServeHTTP(w, r)
}

// addressOf is who asks: the address that the last trusted proxy was asked from. Of
// IPv6 it is the network, which one subscriber has all addresses of.
func (h *Handler) addressOf(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := at.Addr().Unmap()
	if h.trusts(address) {
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for _, hop := range slices.Backward(hops) {
			a, err := netip.ParseAddr(strings.TrimSpace(hop))
			if err != nil {
				break
			}
			address = a.Unmap()
			if !h.trusts(address) {
				break
			}
		}
	}
	if address.Is6() {
		const subscriber = 64
		if p, err := address.WithZone("").Prefix(subscriber); err == nil {
			return p.String()
		}
	}
	return address.String()
}

func (h *Handler) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(h.trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// callerOf is the hash of the request's credential, "" without one.
func (h *Handler) callerOf(r *http.Request) string {
	credential := r.Header.Get("Authorization")
	for _, name := range h.cfg.Cookies {
		if cookie, err := r.Cookie(name); err == nil && credential == "" {
			credential = cookie.Value
		}
	}
	if credential == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(credential))
	return string(sum[:])
}

// buckets are the token buckets of as many as are remembered.
type buckets struct {
	mu    sync.Mutex
	rate  rate.Limit
	burst int
	known *lru.Cache[string, *rate.Limiter]
}

func newBuckets(perSecond int) (*buckets, error) {
	known, err := lru.New[string, *rate.Limiter](remembered)
	if err != nil {
		return nil, fmt.Errorf("make room for limits: %w", err)
	}
	return &buckets{rate: rate.Limit(perSecond), burst: perSecond * burstSeconds, known: known}, nil
}

// take gives how long to wait, 0 when the request may go on.
func (b *buckets) take(key string, now time.Time) time.Duration {
	if b.rate == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	limiter, known := b.known.Get(key)
	if !known {
		limiter = rate.NewLimiter(b.rate, b.burst)
		b.known.Add(key, limiter)
	}
	if limiter.AllowN(now, 1) {
		return 0
	}
	missing := 1 - limiter.TokensAt(now)
	return max(time.Duration(math.Ceil(missing/float64(b.rate)*float64(time.Second))), time.Millisecond)
}
