package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	consulapi "github.com/hashicorp/consul/api"
	nomadapi "github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/jobspecs"
	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/dev/toolchain"
)

const (
	// settle is longer than either router pauses after a change, so that what is
	// measured does not wait for what was before.
	settle = 3 * time.Second
	// askEvery is how often the path is asked, the measurement's resolution.
	askEvery = 2 * time.Millisecond
	// classSize is how many workspaces become healthy at once.
	classSize = 30
	// placeholder is the slug in the template's tags.
	placeholder = "the-slug-of-one"
	checkOf     = "service:"
	// longEnough keeps the checks that the benchmark answers from running out.
	longEnough = "24h"
)

// BenchmarkRoutes measures the way from "healthy in Consul" to the first answer
// through the router, for Fabio and Traefik side by side: each has a stack of its
// own with the same services, and rounds alternate. Metrics, of the rounds: the
// median for one workspace (one-ms), and for the last of a class of 30 that
// becomes healthy at once (class-ms), by router; and Traefik's as multiples of
// Fabio's.
func BenchmarkRoutes(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Fatal("this benchmark needs root: a stack does")
	}
	page := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Cleanup(page.Close)
	origins := startOrigins(b, page.URL)
	for _, routes := range []int{3, 1000} {
		b.Run(fmt.Sprintf("routes=%d", routes), func(b *testing.B) {
			for _, o := range origins {
				o.fill(b, routes)
			}
			one, class := map[stack.Router][]time.Duration{}, map[stack.Router][]time.Duration{}
			round := 0
			for b.Loop() {
				round++
				measure(b, origins, one, round, 1)
				measure(b, origins, class, round, classSize)
				slices.Reverse(origins) // neither is always the first
			}
			for what, took := range map[string]map[stack.Router][]time.Duration{"one": one, "class": class} {
				fabio, traefik := median(took[stack.Fabio]), median(took[stack.Traefik])
				b.ReportMetric(milliseconds(fabio), "fabio-"+what+"-ms")
				b.ReportMetric(milliseconds(traefik), "traefik-"+what+"-ms")
				b.ReportMetric(float64(traefik)/float64(fabio), what+"-traefik/fabio")
			}
		})
	}
}

// measure lets n services become healthy at once behind each router in turn, and
// notes when the last of them answered.
func measure(b *testing.B, origins []*origin, took map[stack.Router][]time.Duration, round, n int) {
	b.Helper()
	slugs := make([]string, n)
	for i := range slugs {
		slugs[i] = fmt.Sprintf("measured-%d-%d-%d", n, round, i)
	}
	for _, o := range origins {
		o.register(b, slugs, consulapi.HealthCritical)
	}
	pause(b)
	for _, o := range origins {
		took[o.router] = append(took[o.router], o.launch(b, slugs))
	}
	for _, o := range origins {
		o.remove(b, slugs)
	}
}

// pause gives every router the time to take up what has changed; none of them
// tells that it has nothing to do.
func pause(b *testing.B) {
	b.Helper()
	select {
	case <-time.After(settle):
	case <-b.Context().Done():
	}
}

// An origin is one router in front of services that all are the same page.
type origin struct {
	router stack.Router
	labs   string // address of the router
	host   string // of the labs origin, as browsers send it
	consul *consulapi.Client
	tags   []string // the template's, with placeholder for the slug
	port   int      // of the page
	known  int      // how many routes are there besides what is measured
	client *http.Client
}

// startOrigins starts a stack for each router, with the template's tags.
func startOrigins(b *testing.B, page string) []*origin {
	b.Helper()
	at, err := url.Parse(page)
	if err != nil {
		b.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		b.Fatal(err)
	}
	source, err := filepath.Abs("..")
	if err != nil {
		b.Fatal(err)
	}
	paths, err := toolchain.Ensure(b.Context(), toolchain.Config{SourceDir: source, Report: toolchain.TextReporter(os.Stderr)},
		toolchain.Nomad, toolchain.Consul, toolchain.Vault, toolchain.Fabio, toolchain.Traefik, toolchain.CNI, toolchain.Iptables, toolchain.Nftables)
	if err != nil {
		b.Fatal(err)
	}
	var origins []*origin
	for _, router := range stack.Routers() {
		offset, err := freeOffset(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		cfg := stack.Config{
			Dir: filepath.Join(b.TempDir(), "dev"), Router: router,
			Binaries: stack.Binaries{
				Nomad: paths.Nomad, Consul: paths.Consul, Vault: paths.Vault, Fabio: paths.Fabio, Traefik: paths.Traefik, CNIDir: paths.CNI,
			},
		}.Offset(offset)
		s, err := stack.Start(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := s.Stop(context.WithoutCancel(b.Context())); err != nil {
				b.Error(err)
			}
		})
		env := s.Env()
		consul, err := consulapi.NewClient(&consulapi.Config{Address: env.ConsulAddr, Token: env.Operator.Consul.Reveal()})
		if err != nil {
			b.Fatal(err)
		}
		labs := strings.TrimPrefix(env.LabsAddr, "http://")
		host := "labs.localhost:" + strconv.Itoa(cfg.Ports.Labs)
		origins = append(origins, &origin{
			router: router, labs: labs, host: host, consul: consul, tags: templateTags(b, env, host), port: port,
			client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: classSize}},
		})
	}
	return origins
}

// templateTags gives the tags of a template's service, as Nomad reads them.
func templateTags(b *testing.B, env stack.Env, host string) []string {
	b.Helper()
	template, err := fs.ReadFile(jobspecs.FS, "code-server-exec.nomad.hcl")
	if err != nil {
		b.Fatal(err)
	}
	nomad, err := nomadapi.NewClient(&nomadapi.Config{Address: env.NomadAddr, SecretID: env.Operator.Nomad.Reveal(), Namespace: stack.Namespace})
	if err != nil {
		b.Fatal(err)
	}
	job, err := nomad.Jobs().ParseHCLOpts(&nomadapi.JobsParseRequest{
		JobHCL: string(template), Variables: fmt.Sprintf("slug = %q\nlabs_host = %q\n", placeholder, host),
	})
	if err != nil {
		b.Fatal(err)
	}
	return job.TaskGroups[0].Services[0].Tags
}

// fill registers healthy services until there are as many routes, and waits for
// all of them to answer.
func (o *origin) fill(b *testing.B, routes int) {
	b.Helper()
	var slugs []string
	for ; o.known < routes; o.known++ {
		slugs = append(slugs, fmt.Sprintf("known-%d", o.known))
	}
	o.register(b, slugs, consulapi.HealthPassing)
	began := time.Now()
	for _, slug := range slugs {
		o.answers(b, slug)
	}
	b.Logf("%s: %d routes, the last one %s after the last registration", o.router, routes, time.Since(began).Round(time.Millisecond))
}

func (o *origin) register(b *testing.B, slugs []string, status string) {
	b.Helper()
	o.each(b, slugs, func(slug string) error {
		tags := make([]string, len(o.tags))
		for i, tag := range o.tags {
			tags[i] = strings.ReplaceAll(tag, placeholder, slug)
		}
		return o.consul.Agent().ServiceRegister(&consulapi.AgentServiceRegistration{
			ID: slug, Name: slug, Tags: tags, Address: "127.0.0.1", Port: o.port,
			Check: &consulapi.AgentServiceCheck{TTL: longEnough, Status: status},
		})
	})
}

func (o *origin) remove(b *testing.B, slugs []string) {
	b.Helper()
	o.each(b, slugs, func(slug string) error { return o.consul.Agent().ServiceDeregister(slug) })
}

// launch makes the services healthy and gives the time until all of them answer.
func (o *origin) launch(b *testing.B, slugs []string) time.Duration {
	b.Helper()
	o.each(b, slugs, func(slug string) error {
		return o.consul.Agent().UpdateTTL(checkOf+slug, "", consulapi.HealthPassing)
	})
	began := time.Now()
	for _, slug := range slugs {
		o.answers(b, slug)
	}
	return time.Since(began)
}

// each asks Consul for something for every slug, a few at a time.
func (o *origin) each(b *testing.B, slugs []string, ask func(slug string) error) {
	b.Helper()
	const workers = 8
	todo := make(chan string)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for slug := range todo {
				if err := ask(slug); err != nil {
					b.Errorf("%s: %s: %v", o.router, slug, err)
				}
			}
		})
	}
	for _, slug := range slugs {
		todo <- slug
	}
	close(todo)
	group.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// answers asks for a workspace's path until the page is there.
func (o *origin) answers(b *testing.B, slug string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.labs+"/"+slug+"/", nil)
		if err != nil {
			b.Fatal(err)
		}
		request.Host = o.host
		answer, err := o.client.Do(request)
		if err != nil {
			b.Fatalf("%s: %s: %v", o.router, slug, err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.Fatalf("%s: %s: status %d", o.router, slug, answer.StatusCode)
		}
	}
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
