package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
)

// Both origins below one domain, as a production has them. Browsers find all names
// below .localhost on loopback, and take cookies for this domain from each of them.
const (
	parentDomain = "lab.localhost"
	consoleHost  = "bothy." + parentDomain
	labsName     = "labs." + parentDomain
)

// oneParent: the console and the workspaces below one domain, with http and with
// https. A hostile page gets nothing there either, and what it plants in a browser
// signs nobody in as somebody else and keeps nobody out.
func oneParent(t *testing.T, d *dev, root string) {
	b := newBrowser(t, root)
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) { neighbours(t, d, b, scheme) })
	}
}

func neighbours(t *testing.T, d *dev, b browser, scheme string) {
	port, err := freePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := origins{port, fmt.Sprintf("http://%s:%d", consoleHost, port), fmt.Sprintf("http://%s:%d", labsName, d.labsPort())}
	var args []string
	if scheme == "https" {
		front, pin := d.tlsFront(t, port)
		at.console, at.labs = fmt.Sprintf("https://%s:%d", consoleHost, front), fmt.Sprintf("https://%s:%d", labsName, front)
		args = append(args, "--ignore-certificate-errors-spki-list="+pin)
	}
	h := newHouse(t, d, "parent-"+scheme, d.ownDoor(t), at)
	class, list := h.dev.launchEditors(t, "Parent-"+scheme, "Eve", "Bob")
	defer h.dev.deleteClass(t, class.Key)
	d.misbehave(t, list[0].Slug)
	on := b.newStage(t, args...)
	n := neighbourhood{house: h, stage: on, secure: scheme == "https", teacher: on.somebody("hostile-teacher"), eve: on.somebody("hostile-student")}
	n.street = street{ada: list[0].Slug, bob: list[1].Slug, console: at.console, labs: at.labs}
	n.link = func(_ *testing.T, slug string, _ client.WorkspaceLinkInputAs) string {
		return at.console + "/open/" + slug
	}

	d2, login := h.dev, "teacher@parent.example.edu"
	d2.staff(t, login, client.RoleInstructor)
	if _, err := h.api.SetCohortInstructors(t.Context(), "parent-"+scheme, []string{login}); err != nil {
		t.Fatal(err)
	}
	n.asTeacher = h.invite(t, d, n.teacher, login)
	h.invite(t, d, n.eve, list[0].Student.Email)
	bob := on.somebody("bob")
	h.invite(t, d, bob, list[1].Student.Email)
	for p, slug := range map[player]string{bob: n.bob, n.eve: n.ada} {
		p.works(at.console + "/open/" + slug)
	}

	n.isRobbed(t, on)
	if cohorts, err := h.api.Cohorts(t.Context()); err != nil || len(cohorts) != 1 {
		t.Errorf("after the attack there are the cohorts %+v, %v", cohorts, err)
	}
	n.isTheTeacher(t)
	t.Run("cookies are for their host alone", n.cookiesAreTheirHosts)
	t.Run("a planted session", n.plantedSession)
	t.Run("a planted session, for who is not signed in", n.plantedForNobody)
	t.Run("planted passes", n.plantedPasses)
	t.Run("a browser full of cookies", n.fullOfCookies)
	// Of all this Bob has noticed nothing.
	bob.does(step{Do: "write", Name: "bob.txt", Text: "in peace"})
}

// neighbourhood is a hostile student, and an instructor who looks in on them.
type neighbourhood struct {
	house
	street
	stage        *stage
	secure       bool
	teacher, eve player
	asTeacher    known
}

// cookie is what a browser keeps.
type cookie struct {
	Name, Value, Domain, Path, SameSite string
	HTTPOnly, Secure                    bool
}

func (p player) cookies(t *testing.T) []cookie {
	t.Helper()
	var list []cookie
	if err := json.Unmarshal([]byte(p.does(step{Do: "cookies"})), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// cookiesAreTheirHosts: no cookie of Bothy's is for more than one host, to be read by
// a page, or sent in the clear.
func (n neighbourhood) cookiesAreTheirHosts(t *testing.T) {
	prefixed := 0
	for _, p := range []player{n.teacher, n.eve} {
		for _, c := range p.cookies(t) {
			if !strings.Contains(c.Name, "bothy_") {
				continue
			}
			if strings.HasPrefix(c.Domain, ".") || !c.HTTPOnly || c.Secure != n.secure || c.SameSite != "Lax" {
				t.Errorf("%s: %+v", p.who, c)
			}
			if strings.HasPrefix(c.Name, "__Host-") {
				prefixed++
			} else if n.secure && c.Path == "/" {
				t.Errorf("%s: %s has no prefix", p.who, c.Name)
			}
		}
	}
	if n.secure && prefixed < 4 {
		t.Errorf("%d cookies are prefixed", prefixed)
	}
}

// plants has the hostile page set cookies in the teacher's browser.
func (n neighbourhood) plants(t *testing.T, cookies ...string) {
	t.Helper()
	n.teacher.goes(n.own(n.ada) + proxied())
	for _, c := range cookies {
		if n.secure {
			c += "; Secure"
		}
		text, err := json.Marshal(c + "; Max-Age=86400")
		if err != nil {
			t.Fatal(err)
		}
		n.teacher.does(step{Do: "run", Text: "document.cookie = " + string(text)})
	}
}

// taken says how many cookies with a value a browser keeps.
func (n neighbourhood) taken(t *testing.T, value string) int {
	t.Helper()
	taken := 0
	for _, c := range n.teacher.cookies(t) {
		if c.Value == value {
			taken++
		}
	}
	return taken
}

// isTheTeacher wants the console to know the instructor.
func (n neighbourhood) isTheTeacher(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range append([]string{"/"}, paths...) {
		n.teacher.goes(n.console() + path)
		text := n.teacher.does(step{Do: "page"})
		if strings.Contains(text, "Eve") || !strings.Contains(text, n.asTeacher.login) {
			t.Errorf("at %s the instructor is shown\n%s", path, text)
		}
	}
}

func (n neighbourhood) console() string { return n.street.console }

// plantedSession: the hostile student's own session, in the browser of an instructor
// who is signed in: by paths that make it come first, and more often than is looked at.
func (n neighbourhood) plantedSession(t *testing.T) {
	value := ""
	for _, c := range n.eve.cookies(t) {
		if strings.HasSuffix(c.Name, "bothy_session") {
			value = c.Value
		}
	}
	if value == "" {
		t.Fatal("the hostile student has no session")
	}
	var plants []string
	for _, name := range []string{"bothy_session", "__Host-bothy_session"} {
		for _, path := range []string{"/", "/sessions", "/open", "/v1", "/sign-in"} {
			plants = append(plants, name+"="+value+"; Domain="+parentDomain+"; Path="+path)
		}
	}
	n.plants(t, plants...)
	if got := n.taken(t, value); got != 5 {
		t.Errorf("the browser has taken %d of them: the prefix is not for a neighbour, and the rest is", got)
	}
	n.isTheTeacher(t, "/sessions", "/tokens")
	n.teacher.works(n.console() + "/open/" + n.bob)

	plants = nil
	for i := range 40 {
		plants = append(plants, fmt.Sprintf("bothy_session=planted%d; Domain=%s; Path=%s", i, parentDomain, []string{"/", "/sessions", "/open", "/open/"}[i%4]))
		plants = append(plants, fmt.Sprintf("bothy_device=planted%d; Domain=%s; Path=/", i, parentDomain))
	}
	n.plants(t, plants...)
	n.isTheTeacher(t, "/sessions")
	if _, at := n.teacher.goes(n.console() + "/open/" + n.bob); !strings.HasPrefix(at, n.own(n.bob)) {
		t.Errorf("to look in leads to %s", at)
	}
}

// plantedForNobody: with http, whoever is not signed in finds themselves as the
// hostile student: docs/door.md says so, and why production has https.
func (n neighbourhood) plantedForNobody(t *testing.T) {
	n.teacher.goes(n.console() + "/")
	n.teacher.does(step{Do: "press", Name: "Sign out"})
	n.teacher.does(step{Do: "shows", Text: "You are signed out"})
	n.signIn(n.teacher, n.asTeacher) // to look in once more
	value := ""
	for _, c := range n.eve.cookies(t) {
		if strings.HasSuffix(c.Name, "bothy_session") {
			value = c.Value
		}
	}
	n.teacher.goes(n.console() + "/open/" + n.ada)
	n.teacher.at("portal").goes(n.console() + "/")
	n.plants(t, "bothy_session="+value+"; Domain="+parentDomain+"; Path=/")
	n.teacher.at("portal").does(step{Do: "press", Name: "Sign out"})
	n.teacher.goes(n.console() + "/")
	text := n.teacher.does(step{Do: "page"})
	if n.secure && !strings.Contains(text, "Sign in") {
		t.Errorf("who has signed out is shown\n%s", text)
	}
	t.Logf("who has signed out, with a session planted, sees: %.60q", text)
	if !n.secure {
		// What is planted goes at the first request that has another beside it.
		n.teacher.at("portal").goes(n.console() + "/")
		n.teacher.at("portal").does(step{Do: "press", Name: "Sign out"})
	}
	n.signIn(n.teacher, n.asTeacher)
	n.isTheTeacher(t)
}

// plantedPasses: passes that the hostile student has, and passes that nobody has,
// more than are looked at.
func (n neighbourhood) plantedPasses(t *testing.T) {
	n.teacher.goes(n.console() + "/open/" + n.ada)
	var plants []string
	for _, c := range n.eve.cookies(t) {
		if c.Name == "bothy_pass" {
			plants = append(plants, "bothy_pass="+c.Value+"; Domain="+labsName+"; Path=/", "bothy_pass="+c.Value+"; Domain="+parentDomain+"; Path="+c.Path)
		}
	}
	for i := range 8 {
		for _, domain := range []string{parentDomain, labsName} {
			plants = append(plants, fmt.Sprintf("bothy_pass=PLANTEDPLANTEDPLANTED%d; Domain=%s; Path=%s", i, domain, []string{"/", "/-/", "/-/enter"}[i%3]))
		}
	}
	if n.secure {
		// Only by https are there others of the same name, host and path.
		for _, name := range []string{"bothy_pass", "__Host-bothy_pass", "__Host-bothy_browser"} {
			plants = append(plants, name+"=PLANTEDPLANTEDPLANTED; Path=/; Partitioned")
		}
	}
	n.plants(t, plants...)
	n.teacher.works(n.console() + "/open/" + n.ada)
	for range 2 {
		// Once as the browser is, and once after the instructor's own passes are gone.
		n.teacher.works(n.console() + "/open/" + n.bob)
		if at := n.teacher.does(step{Do: "run", Text: "location.origin"}); at != n.own(n.bob) {
			t.Errorf("the instructor looks in at %s", at)
		}
		n.teacher.at("portal").goes(n.console() + "/")
		n.teacher.at("portal").does(step{Do: "press", Name: "Sign out"})
		n.signIn(n.teacher.at("portal"), n.asTeacher)
	}
}

// fullOfCookies: so many cookies that servers refuse what a browser sends.
func (n neighbourhood) fullOfCookies(t *testing.T) {
	n.teacher.works(n.console() + "/open/" + n.ada)
	var plants []string
	for i := range 60 {
		name, kind := "bomb", ""
		if n.secure {
			// What is said of these as of any other, browsers don't take, or take it for another's.
			name, kind = []string{"bomb", "__Secure-bomb", "bomb"}[i%3], []string{"", "", "; Partitioned"}[i%3]
		}
		plants = append(plants, fmt.Sprintf("%s%d=%s; Domain=%s; Path=/%s", name, i, strings.Repeat("x", 3900), parentDomain, kind))
	}
	n.plants(t, plants...)
	status, _ := n.teacher.goes(n.console() + "/")
	if status != strconv.Itoa(http.StatusRequestHeaderFieldsTooLarge) {
		t.Errorf("the first answer has status %s", status)
	}
	if status, _ := n.teacher.goes(n.console() + "/sessions"); status != "200" {
		t.Errorf("the second answer has status %s", status)
	}
	left := 0
	for _, c := range n.teacher.cookies(t) {
		if strings.Contains(c.Name, "bomb") {
			left++
		}
	}
	if left > 1 {
		t.Errorf("%d of them are left", left)
	}
	n.teacher.works(n.console() + "/open/" + n.bob)
}

// tlsFront answers by https for a Bothy that listens on a port of loopback, and for
// the router, by the names that browsers ask for, as what stands in front of both in
// production does. It gives its port, and the pin of its certificate.
func (d *dev) tlsFront(t *testing.T, bothy int) (port int, pin string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: parentDomain}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{consoleHost, labsName, "*." + labsName}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(made.RawSubjectPublicKeyInfo)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			name, _, _ := strings.Cut(r.In.Host, ":")
			to := d.labsPort()
			if name == consoleHost {
				to = bothy
			}
			r.SetURL(&url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(to))})
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler: proxy, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		// Without HTTP/2: a WebSocket's handshake is HTTP/1.1.
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ServeTLS(listener, "", "")
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("%s is no TCP address", listener.Addr())
	}
	return address.Port, base64.StdEncoding.EncodeToString(sum[:])
}
