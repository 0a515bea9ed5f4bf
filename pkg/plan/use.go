package plan

import "iter"

// AddAfterUse adds ops after the last item that uses a result, for each of the results:
// what becomes of a descriptor that nothing needs any more. To use what was opened by way
// of a result is to use that result too. The process that performs the plan now must be the
// one that has the descriptors.
func (p *Plan) AddAfterUse(stage string, ops map[*Result][]*Op) {
	if len(ops) == 0 {
		return
	}
	last := make(map[*Result]int, len(ops))
	of := make(map[*Result][]*Result, len(ops))
	for r := range ops {
		of[r] = []*Result{r}
	}
	for i, it := range p.items {
		for used := range it.uses() {
			for _, r := range of[used] {
				last[r] = i
				if g := it.Op.Result; g != nil && g != used {
					of[g] = append(of[g], r)
				}
			}
		}
	}
	items := p.items
	p.items = make([]Item, 0, len(items)+2*len(ops))
	for i, it := range items {
		p.items = append(p.items, it)
		for used := range it.uses() {
			for _, r := range of[used] {
				if at, ok := last[r]; ok && at == i {
					delete(last, r)
					p.Add(stage, ops[r]...)
				}
			}
		}
	}
}

// uses are the results that an item gives or needs.
func (it Item) uses() iter.Seq[*Result] {
	return func(yield func(*Result) bool) {
		if it.Step != nil {
			for _, r := range it.Step.Takes {
				if !yield(r) {
					return
				}
			}
			return
		}
		for _, a := range it.Op.Args {
			if r := a.Result(); r != nil && !yield(r) || !a.Buffer().uses(yield) {
				return
			}
		}
		if it.Op.Same != nil && !yield(it.Op.Same) {
			return
		}
		if it.Op.Result != nil {
			yield(it.Op.Result)
		}
	}
}

func (b *Buffer) uses(yield func(*Result) bool) bool {
	if b == nil {
		return true
	}
	for _, ref := range b.refs {
		if ref.Result != nil && !yield(ref.Result) || !ref.Buffer.uses(yield) {
			return false
		}
	}
	return true
}
