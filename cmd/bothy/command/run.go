package command

import (
	"slices"
	"strings"

	"github.com/hashicorp/cli"
)

// Run runs the command that args name and gives the process's exit code.
func Run(args []string, env *Env) int {
	if len(args) == 1 && (args[0] == "-v" || args[0] == "-version" || args[0] == "--version") {
		args = []string{"version"}
	}
	args = guardExec(env, args)
	c := &cli.CLI{
		Name:         "bothy",
		Args:         args,
		Commands:     factories(env),
		HelpFunc:     cli.BasicHelpFunc("bothy"),
		HelpWriter:   env.Stdout,
		ErrorWriter:  env.Stderr,
		Autocomplete: true,
	}
	code, err := c.Run()
	if err != nil {
		return env.report(err)
	}
	return code
}

// guardExec puts "--" before the command of `bothy exec`: the library looks for
// -h in the whole line, and "df -h" is not asking for help.
func guardExec(env *Env, args []string) []string {
	if len(args) == 0 || args[0] != "exec" {
		return args
	}
	f := newFlags("exec")
	(&execCommand{env: env}).flags(f)
	if err := f.set.Parse(args[1:]); err != nil || f.set.NArg() < 2 || f.set.Arg(1) == "--" {
		return args
	}
	at := len(args) - f.set.NArg() + 1
	return slices.Insert(slices.Clone(args), at, "--")
}

// actions are all commands by their names.
func actions(env *Env) map[string]func() action {
	return map[string]func() action{
		"audit":              func() action { return &auditCommand{env: env} },
		"class assistants":   func() action { return &appoint{env: env, of: classTrust()} },
		"class create":       func() action { return &classCreate{env: env} },
		"class delete":       func() action { return &classDelete{env: env} },
		"class launch":       func() action { return &classAct{env: env, act: launch()} },
		"class list":         func() action { return &classList{env: env} },
		"class reset":        func() action { return &classAct{env: env, act: reset()} },
		"class restart":      func() action { return &classAct{env: env, act: restart()} },
		"class show":         func() action { return &classShow{env: env} },
		"class start":        func() action { return &classAct{env: env, act: start()} },
		"class status":       func() action { return &status{env: env, classNeeded: true} },
		"class stop":         func() action { return &classAct{env: env, act: stop()} },
		"class update":       func() action { return &classUpdate{env: env} },
		"cohort create":      func() action { return &cohortCreate{env: env} },
		"cohort delete":      func() action { return &cohortDelete{deletion{env: env}} },
		"cohort instructors": func() action { return &appoint{env: env, of: cohortTrust()} },
		"cohort invite":      func() action { return &invite{env: env, whom: "cohort"} },
		"cohort list":        func() action { return &cohortList{env: env} },
		"cohort show":        func() action { return &cohortShow{env: env} },
		"completion":         func() action { return &completionCommand{env: env} },
		"config":             func() action { return &configShow{env: env} },
		"config validate":    func() action { return &configValidate{env: env} },
		"context delete":     func() action { return &contextDelete{env: env} },
		"context list":       func() action { return &contextList{env: env} },
		"context show":       func() action { return &contextShow{env: env} },
		"context use":        func() action { return &contextUse{env: env} },
		"course create":      func() action { return &courseCreate{env: env} },
		"course delete":      func() action { return &courseDelete{deletion{env: env}} },
		"course instructors": func() action { return &appoint{env: env, of: courseTrust()} },
		"course list":        func() action { return &courseList{env: env} },
		"course show":        func() action { return &courseShow{env: env} },
		"course update":      func() action { return &courseUpdate{env: env} },
		"dev":                func() action { return &devCommand{env: env} },
		"doctor":             func() action { return &doctorCommand{env: env} },
		"events":             func() action { return &events{env: env} },
		"exec":               func() action { return &execCommand{env: env} },
		"login":              func() action { return &login{env: env} },
		"logout":             func() action { return &logout{env: env} },
		"logs":               func() action { return &logs{env: env} },
		"open":               func() action { return &openCommand{env: env} },
		"operation list":     func() action { return &operationList{env: env} },
		"operation status":   func() action { return &operationStatus{env: env} },
		"plan":               func() action { return &plan{env: env} },
		"render":             func() action { return &render{env: env} },
		"reset":              func() action { return &shortAct{classAct{env: env, act: reset()}} },
		"restart":            func() action { return &shortAct{classAct{env: env, act: restart()}} },
		"roster import":      func() action { return &rosterImport{env: env} },
		"run":                func() action { return &runClass{classAct{env: env, act: launch()}} },
		"secret delete":      func() action { return &secretDelete{env: env} },
		"secret list":        func() action { return &secretList{env: env} },
		"secret set":         func() action { return &secretSet{env: env} },
		"setup consul":       func() action { return &setupServer{env: env, server: "consul"} },
		"setup nomad":        func() action { return &setupServer{env: env, server: "nomad"} },
		"setup vault":        func() action { return &setupServer{env: env, server: "vault"} },
		"server":             func() action { return &serverCommand{env: env} },
		"setup firewall":     func() action { return &setupFirewall{env: env} },
		"start":              func() action { return &shortAct{classAct{env: env, act: start()}} },
		"status":             func() action { return &status{env: env} },
		"stop":               func() action { return &shortAct{classAct{env: env, act: stop()}} },
		"session end":        func() action { return &sessionEnd{env: env} },
		"session list":       func() action { return &sessionList{env: env} },
		"setup admin":        func() action { return &setupAdmin{env: env} },
		"token create":       func() action { return &tokenCreate{env: env} },
		"token list":         func() action { return &tokenList{env: env} },
		"token revoke":       func() action { return &tokenRevoke{env: env} },
		"store migrate":      func() action { return &storeMigrate{env: env} },
		"student enroll":     func() action { return &studentEnroll{env: env} },
		"student erase":      func() action { return &studentErase{env: env} },
		"student export":     func() action { return &studentExport{env: env} },
		"student invite":     func() action { return &invite{env: env, whom: "student"} },
		"student list":       func() action { return &studentList{env: env} },
		"student show":       func() action { return &studentShow{env: env} },
		"student withdraw":   func() action { return &studentWithdraw{env: env} },
		"template diff":      func() action { return &templateDiff{env: env} },
		"template list":      func() action { return &templateList{env: env} },
		"template push":      func() action { return &templatePush{env: env} },
		"template show":      func() action { return &templateShow{env: env} },
		"template vars":      func() action { return &templateVars{env: env} },
		"template versions":  func() action { return &templateVersions{env: env} },
		"user create":        func() action { return &userCreate{env: env} },
		"user disable":       func() action { return &userAccess{env: env, disable: true} },
		"user enable":        func() action { return &userAccess{env: env} },
		"user invite":        func() action { return &invite{env: env, whom: "user"} },
		"user list":          func() action { return &userList{env: env} },
		"user erase":         func() action { return &userErase{env: env} },
		"user export":        func() action { return &userExport{env: env} },
		"user show":          func() action { return &userShow{env: env} },
		"user update":        func() action { return &userUpdate{env: env} },
		"validate":           func() action { return &validate{env: env} },
		"version":            func() action { return &versionCommand{env: env} },
		"whoami":             func() action { return &whoami{env: env} },
		"workspace delete":   func() action { return &workspaceDelete{env: env} },
		"workspace reset":    func() action { return &workspaceAct{env: env, act: reset()} },
		"workspace restart":  func() action { return &workspaceAct{env: env, act: restart()} },
		"workspace start":    func() action { return &workspaceAct{env: env, act: start()} },
		"workspace status":   func() action { return &workspaceStatus{env: env} },
		"workspace stop":     func() action { return &workspaceAct{env: env, act: stop()} },
	}
}

// groups are the commands that only hold others: what they are about.
func groups() map[string]string {
	return map[string]string{ //nolint:gosec // G101: what commands do
		"class":     "Create, change, launch, stop and show classes",
		"cohort":    "Create, show and delete cohorts",
		"context":   "Show and choose the servers that you are signed in to",
		"course":    "Create, change and show courses",
		"operation": "Follow what was asked of classes",
		"roster":    "Enroll students",
		"session":   "Show where people are signed in, and sign them out",
		"setup":     "Prepare an installation",
		"token":     "Make, show and revoke API tokens",
		"store":     "Move a server's database",
		"student":   "Enroll, show and withdraw students; export and erase what is kept of one",
		"template":  "Register and show the templates that workspaces are made from",
		"user":      "Create, change and show who may sign in",
		"workspace": "Start, stop and show single workspaces",
	}
}

func factories(env *Env) map[string]cli.CommandFactory {
	all := map[string]cli.CommandFactory{}
	for name, newAction := range actions(env) {
		all[name] = func() (cli.Command, error) {
			return &bound{env: env, name: name, action: newAction()}, nil
		}
	}
	for name, synopsis := range groups() {
		all[name] = func() (cli.Command, error) {
			return &group{name: name, synopsis: synopsis}, nil
		}
	}
	return all
}

// group is a command that only holds others.
type group struct{ name, synopsis string }

// Synopsis gives the one line of the list of commands.
func (g *group) Synopsis() string { return g.synopsis }

// Help introduces the list of subcommands, which the library adds.
func (g *group) Help() string {
	return "Usage: bothy " + g.name + " <subcommand> [options] [args]\n\n  " + strings.TrimSuffix(g.synopsis, ".") + "."
}

// Run shows the help.
func (g *group) Run([]string) int { return cli.RunResultHelp }
