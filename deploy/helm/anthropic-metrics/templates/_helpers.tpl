{{- define "am.name" -}}
{{- if contains "anthropic-metrics" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-anthropic-metrics" (.Release.Name | trunc 22 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "am.selector" -}}
app.kubernetes.io/name: anthropic-metrics
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "am.labels" -}}
{{ include "am.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "am.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "am.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* A container without command, probes and ports: dict "root" $ "secret" NAME "admin" true|false. */}}
{{- define "am.container" -}}
{{- $root := .root -}}
image: {{ include "am.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  - {name: ANTHROPIC_METRICS_CONFIG, value: /etc/anthropic-metrics/config.yaml}
  - {name: ANTHROPIC_METRICS_HEALTH__HOST, value: "0.0.0.0"}
  - {name: ANTHROPIC_METRICS_ELASTICSEARCH__API_KEY_FILE, value: /run/secrets/anthropic-metrics/api_key}
  {{- if .admin }}
  - {name: ANTHROPIC_METRICS_ANTHROPIC__ADMIN_KEY_FILE, value: /run/secrets/anthropic-metrics/admin_key}
  {{- else if dig "kibana" "url" "" $root.Values.config }}
  - {name: ANTHROPIC_METRICS_KIBANA__API_KEY_FILE, value: /run/secrets/anthropic-metrics/kibana_api_key}
  {{- end }}
  {{- if or $root.Values.caSecret $root.Values.caConfigMap }}
  - {name: ANTHROPIC_METRICS_ELASTICSEARCH__CA_CERTS, value: /etc/anthropic-metrics-ca/ca.crt}
  {{- end }}
  {{- with $root.Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $root.Values.extraEnvFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
resources: {{- toYaml $root.Values.resources | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /etc/anthropic-metrics, readOnly: true}
  - {name: secrets, mountPath: /run/secrets/anthropic-metrics, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- if or $root.Values.caSecret $root.Values.caConfigMap }}
  - {name: ca, mountPath: /etc/anthropic-metrics-ca, readOnly: true}
  {{- end }}
{{- end }}

{{- define "am.volumes" -}}
{{- $root := .root -}}
volumes:
  - name: config
    configMap: {name: {{ include "am.name" $root }}}
  - name: secrets
    secret: {secretName: {{ .secret | quote }}, defaultMode: 288}
  - name: tmp
    emptyDir: {sizeLimit: 16Mi}
  {{- if $root.Values.caSecret }}
  - name: ca
    secret: {secretName: {{ $root.Values.caSecret | quote }}}
  {{- else if $root.Values.caConfigMap }}
  - name: ca
    configMap: {name: {{ $root.Values.caConfigMap | quote }}}
  {{- end }}
{{- end }}

{{- define "am.setupPod" -}}
metadata:
  labels: {{- include "am.selector" . | nindent 4 }}
    app.kubernetes.io/component: setup
spec:
  restartPolicy: OnFailure
  {{- include "am.podSecurity" . | nindent 2 }}
  containers:
    - name: setup
      args: {{- concat (list "setup") .Values.setup.args | toYaml | nindent 8 }}
      {{- include "am.container" (dict "root" . "admin" false) | nindent 6 }}
  {{- include "am.volumes" (dict "root" . "secret" .Values.secrets.setup) | nindent 2 }}
{{- end }}
