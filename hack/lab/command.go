package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Command is a command that was run, with what it printed.
type Command struct {
	Args   []string
	Output string
}

// Line is the command as a person types it.
func (c Command) Line() string {
	words := make([]string, len(c.Args))
	for i, a := range c.Args {
		if a == "" || strings.ContainsAny(a, " '\"{}$*?()[]<>|&;\\") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words[i] = a
	}
	return strings.Join(words, " ")
}

// Run runs kubectl, its plugin or helm as the administrator, in the lab's folder.
func (l *Lab) Run(ctx context.Context, args ...string) (Command, error) {
	return l.runAs(ctx, l.Kubeconfig, args...)
}

// RunWithToken runs kubectl as whoever the token is of; an empty one is the
// administrator's.
func (l *Lab) RunWithToken(ctx context.Context, token string, args ...string) (Command, error) {
	if token == "" {
		return l.Run(ctx, args...)
	}
	file, err := l.writeKubeconfig("token.kubeconfig", token)
	if err != nil {
		return Command{}, err
	}
	return l.runAs(ctx, file, args...)
}

// writeKubeconfig writes one for whoever the token is of.
func (l *Lab) writeKubeconfig(name, token string) (string, error) {
	var config map[string]any
	b, err := os.ReadFile(l.Kubeconfig)
	if err == nil {
		err = json.Unmarshal(b, &config) // as package pki writes them
	}
	if err != nil {
		return "", err
	}
	config["users"] = []any{map[string]any{"name": "user", "user": map[string]any{"token": token}}}
	if b, err = json.Marshal(config); err != nil {
		return "", err
	}
	return l.File(name), os.WriteFile(l.File(name), b, 0o600)
}

func (l *Lab) runAs(ctx context.Context, kubeconfig string, args ...string) (Command, error) {
	c := Command{Args: args}
	cmd := exec.CommandContext(ctx, l.program(args[0]), args[1:]...)
	cmd.Dir = l.dir
	cmd.Env = append(l.Env(), "KUBECONFIG="+kubeconfig)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	c.Output = stdout.String()
	if err != nil {
		if end := l.Err(); end != nil {
			err = end // explains more than what could not be reached then
		}
		return c, &CommandError{Command: c, Stderr: strings.TrimSpace(stderr.String()), Err: err}
	}
	return c, nil
}

// program finds helm and kubectl's plugin, which no PATH has; kubectl is the
// cluster's own.
func (l *Lab) program(name string) string {
	if name == "helm" || name == "kubectl-braid" {
		return filepath.Join(l.cfg.Source, "bin", name)
	}
	for _, variable := range l.Env() {
		list, ok := strings.CutPrefix(variable, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			if file := filepath.Join(dir, name); isFile(file) {
				return file
			}
		}
	}
	return name
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// CommandError is a command that failed, with what it said.
type CommandError struct {
	Command Command
	Stderr  string
	Err     error
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("%s: %v: %s", e.Command.Line(), e.Err, e.Stderr)
}

// Unwrap is how the program ended.
func (e *CommandError) Unwrap() error { return e.Err }

// get decodes what kubectl get says.
func (l *Lab) get(ctx context.Context, into any, args ...string) error {
	c, err := l.Run(ctx, append(append([]string{"kubectl", "get"}, args...), "--output=json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(c.Output), into); err != nil {
		return fmt.Errorf("%s: %w", c.Line(), err)
	}
	return nil
}

// Write leaves a file for commands.
func (l *Lab) Write(name, content string) error {
	return os.WriteFile(l.File(name), []byte(content), 0o600)
}
