// Command braid-csi19 asks a CSI driver what kubelet up to 1.36 asks it about a
// volume's health, and decodes the answers with the types of CSI 1.9, which that
// kubelet has. It is a module of its own, because those types and today's cannot
// be in one program: both register as csi.v1.
//
//	braid-csi19 SOCKET VOLUME PATH
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// answer is what the driver says, as JSON on standard output. Capabilities go
// by the names that CSI 1.9 has for them; Condition is null if there is none.
type answer struct {
	Capabilities []string
	Condition    *condition
	Usage        []string
}

type condition struct {
	Abnormal bool
	Message  string
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "braid-csi19:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: braid-csi19 SOCKET VOLUME PATH")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := grpc.NewClient("unix:"+args[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	a, err := ask(ctx, csi.NewNodeClient(conn), args[1], args[2])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(a)
}

func ask(ctx context.Context, node csi.NodeClient, volume, path string) (answer, error) {
	var a answer
	capabilities, err := node.NodeGetCapabilities(ctx, &csi.NodeGetCapabilitiesRequest{})
	if err != nil {
		return a, err
	}
	for _, c := range capabilities.GetCapabilities() {
		a.Capabilities = append(a.Capabilities, c.GetRpc().GetType().String())
	}
	stats, err := node.NodeGetVolumeStats(ctx, &csi.NodeGetVolumeStatsRequest{VolumeId: volume, VolumePath: path})
	if err != nil {
		return a, err
	}
	if c := stats.GetVolumeCondition(); c != nil {
		a.Condition = &condition{Abnormal: c.GetAbnormal(), Message: c.GetMessage()}
	}
	for _, u := range stats.GetUsage() {
		a.Usage = append(a.Usage, u.GetUnit().String())
	}
	return a, nil
}
