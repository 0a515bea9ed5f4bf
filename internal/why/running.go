package why

import (
	"errors"
	"fmt"
	"path/filepath"

	"hk/internal/cli"
	"hk/pkg/chain"
	"hk/pkg/host"
	"hk/pkg/inspect"
	"hk/pkg/stage"
)

// askRunning answers the questions about the sandbox of a process: about the chains of the
// supervisors above it.
func (l *line) askRunning(f *cli.Front) int {
	list, notes, err := inspect.Supervisors(f.Host, l.pid)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("--pid %d: no supervisor of hk is above the process: hk-inspect --pid %[1]d shows what the kernel tells of it", l.pid)
	}
	if err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	for _, n := range notes {
		f.Say("hk-why", "note: "+n)
	}
	answers := make([]answer, len(l.questions))
	for i, q := range l.questions {
		answers[i].question = q
	}
	for i, sup := range list {
		if sup.Unsure != "" {
			f.Say("hk-why", "note: "+sup.Unsure+": whoever has started it may have written other words there")
		}
		pid := 0
		if i == len(list)-1 {
			pid = l.pid
		}
		for n, a := range askSupervisor(f.Host, sup, pid, l.questions) {
			answers[n].verdict = max(answers[n].verdict, a.verdict)
			answers[n].reasons = append(answers[n].reasons, a.reasons...)
		}
	}
	return l.say(f, answers)
}

// askSupervisor asks about the chain of one supervisor. What the kernel tells otherwise than
// the chain makes every answer uncertain.
func askSupervisor(h *host.Host, sup *inspect.Supervisor, pid int, questions []question) (answers []answer) {
	state := stage.NewState(h)
	state.Replan, state.Recompile = chain.Replan, chain.Recompile
	doubts := sup.Doubts(state, pid)
	s, err := supervised(state, sup)
	if err == nil {
		answers = s.answer(questions)
	} else {
		answers = make([]answer, len(questions))
		doubts = append(doubts, err.Error())
	}
	for i := range answers {
		a := &answers[i]
		if len(doubts) == 0 {
			continue
		}
		a.verdict = unknown
		for n := range a.reasons {
			a.reasons[n].verdict, a.reasons[n].flags = unknown, nil
		}
		a.reasons = append(a.reasons, reason{class: unseen, verdict: unknown,
			what: fmt.Sprintf("what process %d, %s, says was not found to hold: %s", sup.PID, filepath.Base(sup.Words[0]), doubts[0])})
	}
	return answers
}

// supervised plans the chain of a supervisor, in its working directory.
func supervised(state *stage.State, sup *inspect.Supervisor) (*subject, error) {
	words, err := sup.Stages(state)
	if err != nil {
		return nil, err
	}
	as, err := sup.Host(state.Host)
	if err != nil {
		return nil, err
	}
	var plan *subject
	err = sup.Within(as, func() error {
		c, err := chain.Reread(words, sup.Dir, as)
		if err != nil {
			return err
		}
		plan, err = newSubject(c, as)
		return err
	})
	if usage := (*chain.UsageError)(nil); errors.As(err, &usage) {
		err = fmt.Errorf("%s: %w", usage.Stage, err)
	}
	return plan, err
}
