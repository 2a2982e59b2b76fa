{{- /* The driver's name, which PersistentVolumes have: it is no value. */ -}}
{{- define "braid.driver" -}}csi.braid.dev{{- end -}}

{{- define "braid.name" -}}
{{- default .Chart.Name .Values.nameOverride -}}
{{- end -}}

{{- /* Room is left for suffixes, so that no name is longer than a label may be. */ -}}
{{- define "braid.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains (include "braid.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "braid.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "braid.selectorLabels" -}}
app.kubernetes.io/name: {{ include "braid.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Of objects, not of pods: a new version of the chart alone restarts nothing. */ -}}
{{- define "braid.labels" -}}
{{ include "braid.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* What goes below metadata of every object, but its name. */ -}}
{{- define "braid.metadata" -}}
labels:
  {{- include "braid.labels" . | nindent 2 }}
{{- with .Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "braid.node.fullname" -}}{{ include "braid.fullname" . }}-node{{- end -}}
{{- define "braid.controller.fullname" -}}{{ include "braid.fullname" . }}-controller{{- end -}}

{{- define "braid.node.serviceAccountName" -}}{{ include "braid.node.fullname" . }}{{- end -}}
{{- define "braid.controller.serviceAccountName" -}}{{ include "braid.controller.fullname" . }}{{- end -}}

{{- define "braid.node.selectorLabels" -}}
{{ include "braid.selectorLabels" . }}
app.kubernetes.io/component: node
{{- end -}}

{{- define "braid.controller.selectorLabels" -}}
{{ include "braid.selectorLabels" . }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "braid.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- .Values.image.repository -}}
{{- if or .Values.image.tag (not .Values.image.digest) }}:{{ $tag }}{{ end -}}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "braid.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* Where the node serves metrics, as HOST:PORT. Empty: nowhere. */ -}}
{{- define "braid.node.metricsAddress" -}}
{{- with .Values.node -}}
{{- if .metricsPort -}}
{{- if contains ":" .metricsAddress }}[{{ .metricsAddress }}]{{ else }}{{ .metricsAddress }}{{ end -}}
:{{ .metricsPort }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Whether kubelets find volumes' health where CSI had it before 1.13. */ -}}
{{- define "braid.node.legacyVolumeCondition" -}}
{{- $set := toString .Values.node.legacyVolumeCondition -}}
{{- if eq $set "auto" -}}
{{- semverCompare "<1.37.0-0" .Capabilities.KubeVersion.Version -}}
{{- else -}}
{{- $set -}}
{{- end -}}
{{- end -}}
