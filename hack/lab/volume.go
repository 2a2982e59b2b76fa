package lab

import (
	"net/netip"
	"strings"
	"text/template"
)

// Driver is Braid's name in CSI.
const Driver = "csi.braid.dev"

// Namespace is where the lab's pods and claims are.
const Namespace = "default"

// Volume is a static PersistentVolume with a claim of the same name.
type Volume struct {
	// Name is also the volume's handle.
	Name      string
	NQN, UUID string
	Addrs     []netip.AddrPort
	// Discovery are the target's discovery controllers, if it is to be asked.
	Discovery []netip.AddrPort
	// Block makes it a raw block volume; otherwise it has ext4.
	Block bool
}

// Pod is one that writes to a volume.
type Pod struct {
	Name   string
	Volume Volume
	// Node binds it to a node, past the scheduler.
	Node string
}

var volumeManifest = template.Must(template.New("volume").Parse(`apiVersion: v1
kind: PersistentVolume
metadata:
  name: {{.Name}}
spec:
  capacity: {storage: 64Mi}
  accessModes: [ReadWriteOnce]
  volumeMode: {{if .Block}}Block{{else}}Filesystem{{end}}
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: default, name: {{.Name}}}
  csi:
    driver: csi.braid.dev
    volumeHandle: {{.Name}}
{{- if not .Block}}
    fsType: ext4
{{- end}}
    volumeAttributes:
      subsystemNQN: {{.NQN}}
      namespaceUUID: {{.UUID}}
      addresses: {{.Addresses}}
{{- with .DiscoveryControllers}}
      discovery: {{.}}
{{- end}}
      reconnectDelay: 1s
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{.Name}}
spec:
  accessModes: [ReadWriteOnce]
  volumeMode: {{if .Block}}Block{{else}}Filesystem{{end}}
  storageClassName: ""
  volumeName: {{.Name}}
  resources: {requests: {storage: 64Mi}}
`))

var podManifest = template.Must(template.New("pod").Parse(`apiVersion: v1
kind: Pod
metadata:
  name: {{.Name}}
spec:
{{- with .Node}}
  nodeName: {{.}}
{{- end}}
  terminationGracePeriodSeconds: 10
  containers:
    - name: writer
      image: ` + writerImageName + `
      readinessProbe:
        httpGet: {port: 8080, path: /}
        periodSeconds: 1
        timeoutSeconds: 10
{{- if .Volume.Block}}
      args: [/dev/data]
      volumeDevices: [{name: data, devicePath: /dev/data}]
{{- else}}
      args: [/data/blocks]
      volumeMounts: [{name: data, mountPath: /data}]
{{- end}}
  volumes:
    - name: data
      persistentVolumeClaim: {claimName: {{.Volume.Name}}}
`))

// Manifest is the volume and its claim as YAML.
func (v Volume) Manifest() string { return fill(volumeManifest, v) }

// Addresses are those of its paths as volumeAttributes want them.
func (v Volume) Addresses() string { return commas(v.Addrs) }

// DiscoveryControllers are likewise those that know where it is.
func (v Volume) DiscoveryControllers() string { return commas(v.Discovery) }

func commas(addrs []netip.AddrPort) string {
	var list []string
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return strings.Join(list, ",")
}

// Manifest is the pod as YAML.
func (p Pod) Manifest() string { return fill(podManifest, p) }

// fill panics only if a template does not fit its type.
func fill(t *template.Template, data any) string {
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		panic(err)
	}
	return b.String()
}
