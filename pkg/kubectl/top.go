package kubectl

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/types"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// minInterval spares the API server.
const minInterval = time.Second

func (p *plugin) top() *cobra.Command {
	var s selection
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch failovers, path by path",
		Long: "Watch failovers, path by path: first those from which requests have failed over since this command was begun (NEW).\n" +
			"Counts are as the nodes report them: at once when a path changes its state, else up to ten seconds late; READ tells their age.",
		Example: "  kubectl braid top\n  kubectl braid top --node worker-1 --interval 2s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < minInterval {
				return fmt.Errorf("--interval: %s is less than %s", interval, minInterval)
			}
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			return p.follow(cmd.Context(), p.widen(s), ticker.C)
		},
	}
	cmd.Flags().DurationVar(&interval, "interval", 5*time.Second, "how often to ask the API server")
	p.addSelection(cmd, &s)
	return cmd
}

// follow shows the paths anew at each tick until ctx ends. Once it has shown
// something, an API server that does not answer does not end it.
func (p *plugin) follow(ctx context.Context, s selection, tick <-chan time.Time) error {
	v := view{first: map[pathKey]int64{}, begun: p.now()}
	for {
		v.failure = p.refresh(ctx, s, &v)
		switch {
		case errors.Is(v.failure, context.Canceled):
			return nil
		case v.at.IsZero():
			return v.failure
		}
		if err := p.draw(v); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
	}
}

func (p *plugin) refresh(ctx context.Context, s selection, v *view) error {
	sets, err := p.list(ctx, s)
	if err == nil {
		v.observe(sets, p.now())
	}
	return err
}

// draw replaces what a terminal shows; elsewhere one view follows the other.
func (p *plugin) draw(v view) error {
	var text bytes.Buffer
	if err := write(&text, p.now(), func(page *page) { page.top(v) }); err != nil {
		return err
	}
	shown := text.String() + "\n"
	if f, ok := p.streams.Out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return err
		}
		// Home, and clear (ECMA-48: CUP, ED).
		shown = "\x1b[H\x1b[2J" + clip(text.String(), width, height-1)
	}
	_, err := fmt.Fprint(p.streams.Out, shown)
	return err
}

// clip returns what of a text fits on a screen.
func clip(text string, width, height int) string {
	var b strings.Builder
	for i, line := range strings.SplitAfter(text, "\n") {
		if i == height {
			break
		}
		if runes := []rune(line); len(runes) > width && width > 0 {
			line = string(runes[:width-1]) + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// pathKey is a path of a path set, for as long as that exists.
type pathKey struct {
	set     types.UID
	address string
}

// view is what top shows: the paths with their new failovers.
type view struct {
	begun time.Time
	at    time.Time // when the API server last answered
	// failure is why it has not answered since.
	failure error
	// first are the lifetime totals that were seen first. They never go back,
	// not even by a reset.
	first map[pathKey]int64
	paths []topPath
}

type topPath struct {
	set  *v1alpha1.NVMePathSet
	path *v1alpha1.PathStatus
	new  int64
}

// observe takes up what the API server has now.
func (v *view) observe(sets []v1alpha1.NVMePathSet, now time.Time) {
	v.at, v.paths = now, nil
	for i := range sets {
		set := &sets[i]
		for j := range set.Status.Paths {
			t := topPath{set: set, path: &set.Status.Paths[j]}
			if c := t.path.Failovers; c != nil {
				key := pathKey{set.UID, t.path.Address}
				if _, seen := v.first[key]; !seen {
					v.first[key] = c.Lifetime
				}
				t.new = c.Lifetime - v.first[key]
			}
			v.paths = append(v.paths, t)
		}
	}
	slices.SortStableFunc(v.paths, busiestFirst)
}

// busiestFirst puts first from where requests fail over now, then what is not
// usable, then what failed over once.
func busiestFirst(a, b topPath) int {
	count := func(p topPath) int64 {
		if p.path.Failovers == nil {
			return -1
		}
		return p.path.Failovers.SinceReset
	}
	return cmp.Or(
		-cmp.Compare(a.new, b.new),
		strings.Compare(yes(a.path.Usable), yes(b.path.Usable)),
		-cmp.Compare(count(a), count(b)),
		byName(a.set, b.set),
		strings.Compare(a.path.Address, b.path.Address),
	)
}

// top has first what a narrow terminal must not cut off.
func (p *page) top(v view) {
	var sum int64
	var rows [][]string
	for _, t := range v.paths {
		sum += t.new
		namespace, name := claimOf(t.set)
		rows = append(rows, []string{
			strconv.FormatInt(t.new, 10), pathFailovers(t.path), p.age(t.path.LastFailoverTime),
			namespace, name, t.set.Spec.NodeName, t.path.Address, yes(t.path.Usable), t.path.ControllerState, t.path.ANAState,
			p.age(t.set.Status.CountersObservedAt),
		})
	}
	p.line("%s in %s from %s", plural(int(sum), "failover"), p.span(v.begun), plural(len(v.paths), "path"))
	if v.failure != nil {
		p.line("As it was %s ago: %v", p.span(v.at), v.failure)
	}
	p.table("", "NEW\tFAILOVERS\tLAST\tNAMESPACE\tCLAIM\tNODE\tPATH\tUSABLE\tSTATE\tANA\tREAD", rows)
}
