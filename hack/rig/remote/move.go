package remote

import "context"

// move is the request for another address.
const move = "move"

// Move has the target leave a path's address and serve at another one. Addr is the
// new one then.
func (r *Rig) Move(ctx context.Context, path int) error {
	a, err := r.ask(ctx, request{Do: move, Path: path})
	if err == nil {
		r.addrs = a.Addrs
	}
	return err
}
