package admin

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// caller is who stands at the other end of a connection, as the kernel says.
type caller struct {
	uid uint32
	pid int32
	// login is the user who logged in, whoever they became since (sudo);
	// "" where nobody did, as with a service.
	login string
}

// String is what goes on record, such as "root (uid 0, pid 421, login alice)".
func (c caller) String() string {
	s := fmt.Sprintf("%s (uid %d, pid %d", userName(c.uid), c.uid, c.pid)
	if c.login != "" {
		s += ", login " + c.login
	}
	return s + ")"
}

type callerKey struct{}

// withCaller notes who connected. A connection without credentials is nobody's.
func withCaller(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ctx
	}
	var cred *unix.Ucred
	if err := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || cred == nil {
		return ctx
	}
	return context.WithValue(ctx, callerKey{}, caller{uid: cred.Uid, pid: cred.Pid, login: loginOf(cred.Pid)})
}

func callerOf(ctx context.Context) (caller, bool) {
	c, ok := ctx.Value(callerKey{}).(caller)
	return c, ok
}

// loginOf returns the audit login of a process (proc(5), loginuid).
func loginOf(pid int32) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/loginuid", pid))
	if err != nil {
		return ""
	}
	uid, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
	if err != nil || uint32(uid) == ^uint32(0) { // never set
		return ""
	}
	return userName(uint32(uid))
}

// userName returns a user's name, or its number where it has none here.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
