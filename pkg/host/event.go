package host

import (
	"context"
	"errors"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// notices are the asynchronous events that we want.
const notices = nvmetcp.NoticeANA | nvmetcp.NoticeNamespaces

// enableEvents makes the controller tell of what it can.
func (a *association) enableEvents(ctx context.Context) error {
	want := a.id.Events & notices
	if want == 0 {
		return nil
	}
	cmd := nvmetcp.Command{Opcode: nvmetcp.SetFeatures, Dwords: [6]uint32{uint32(nvmetcp.FeatureAsyncEvents), want}}
	_, err := a.exec(ctx, "enabling asynchronous events", cmd, nil)
	return err
}

// events keeps one Asynchronous Event Request outstanding until the association
// ends.
func (a *association) events(notify func(notification)) {
	for {
		c, err := a.admin.do(context.Background(), "asynchronous event", nvmetcp.Command{Opcode: nvmetcp.AsyncEventRequest}, nil)
		if err != nil {
			if _, refused := errors.AsType[*StatusError](err); refused && c.Status != nvme.StatusHostAborted {
				a.log.Error(err, "Controller takes no asynchronous event request: ANA changes are seen when a command fails")
			}
			return
		}
		switch e := nvmetcp.ParseEvent(c.Result); {
		case e.Type == nvmetcp.EventNotice && e.Info == nvmetcp.ANAChanged:
			notify(notification{kind: anaChanged})
		case e.Type == nvmetcp.EventNotice && e.Info == nvmetcp.NamespacesChanged:
			if err := a.clearChangedNamespaces(); err != nil {
				a.log.Error(err, "Reading which namespaces have changed")
			}
			notify(notification{kind: namespacesChanged})
		default:
			a.log.Info("Asynchronous event", "type", e.Type, "info", e.Info, "log", e.Log)
		}
	}
}

// clearChangedNamespaces reads the log, without which the controller would tell
// of no other change. What is in it does not matter: all namespaces are looked
// at.
func (a *association) clearChangedNamespaces() error {
	_, err := a.readLog(context.Background(), nvmetcp.LogRequest{Log: nvmetcp.LogChangedNamespaces, Length: nvmetcp.IdentifySize})
	return err
}
