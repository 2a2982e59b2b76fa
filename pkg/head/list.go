package head

// list is a list of requests, first in, first out.
type list struct {
	first, last *Request
	length      int
}

func (l *list) push(r *Request) {
	r.next = nil
	if l.last == nil {
		l.first = r
	} else {
		l.last.next = r
	}
	l.last = r
	l.length++
}

func (l *list) pop() *Request {
	r := l.first
	if r == nil {
		return nil
	}
	if l.first = r.next; l.first == nil {
		l.last = nil
	}
	r.next = nil
	l.length--
	return r
}

// move moves the requests that which picks to the end of another list.
func (l *list) move(to *list, which func(*Request) bool) {
	for range l.length {
		if r := l.pop(); which(r) {
			to.push(r)
		} else {
			l.push(r)
		}
	}
}
