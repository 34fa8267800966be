{{/* The name of everything in the release: the release's name, with the chart's name if it is not in it. */}}
{{- define "operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* The name of cluster-scoped objects: two releases of one name may live in two namespaces. */}}
{{- define "operator.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "operator.fullname" .) -}}
{{- end }}

{{/* Labels by which Deployment, Service, and the NetworkPolicies of the components find the operator's pods. */}}
{{- define "operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end }}

{{- define "operator.commonLabels" -}}
app.kubernetes.io/part-of: allusesystem
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "operator.labels" -}}
{{ include "operator.selectorLabels" . }}
{{ include "operator.commonLabels" . }}
{{- end }}

{{/* Labels of the hooks' and tests' pods: never those of the operator, or its Service would select them. */}}
{{- define "operator.hookLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}-{{ .part }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{ include "operator.commonLabels" .root }}
{{- end }}

{{- define "operator.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end }}

{{/* Pod Security "restricted", for the operator as for its hooks and tests. */}}
{{- define "operator.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "operator.containerSecurityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "operator.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where Secrets of alert sinks are mounted: <directory>/<sink>/<hmac, token or url>. */}}
{{- define "operator.secretsDirectory" -}}/etc/allusesystem-operator/secrets{{- end }}

{{/* The file of sinks: as in the values, with the mounted file in the place of each Secret. */}}
{{- define "operator.sinks" -}}
{{- $directory := include "operator.secretsDirectory" . -}}
{{- $sinks := dict -}}
{{- range $name, $sink := .Values.alerts.sinks -}}
{{- $entry := dict "type" $sink.type -}}
{{- if $sink.url }}{{ $_ := set $entry "url" $sink.url }}{{ end -}}
{{- if $sink.urlSecret }}{{ $_ := set $entry "urlFile" (printf "%s/%s/url" $directory $name) }}{{ end -}}
{{- if $sink.hmacSecret }}{{ $_ := set $entry "hmacKeyFile" (printf "%s/%s/hmac" $directory $name) }}{{ end -}}
{{- if $sink.tokenSecret }}{{ $_ := set $entry "tokenFile" (printf "%s/%s/token" $directory $name) }}{{ end -}}
{{- $_ := set $sinks $name $entry -}}
{{- end -}}
{{- toJson $sinks -}}
{{- end }}

{{/* The Secrets of all sinks as sources of one projected volume. One that is missing keeps nobody from starting. */}}
{{- define "operator.sinkSecrets" -}}
{{- range $name, $sink := .Values.alerts.sinks }}
{{- range $file, $secret := dict "url" $sink.urlSecret "hmac" $sink.hmacSecret "token" $sink.tokenSecret }}
{{- if $secret }}
- secret:
    name: {{ $secret.name }}
    optional: true
    items:
      - {key: {{ $secret.key | quote }}, path: {{ $name }}/{{ $file }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What a schema cannot say: relations between values. */}}
{{- define "operator.validate" -}}
{{- $lease := .Values.leaderElection -}}
{{- if ge (int $lease.renewDeadlineSeconds) (int $lease.leaseDurationSeconds) -}}
{{- fail (printf "leaderElection.renewDeadlineSeconds (%d) must be less than leaderElection.leaseDurationSeconds (%d): a leader has to stop before its lease can go to another" (int $lease.renewDeadlineSeconds) (int $lease.leaseDurationSeconds)) -}}
{{- end -}}
{{- if ge (int $lease.retryPeriodSeconds) (int $lease.renewDeadlineSeconds) -}}
{{- fail (printf "leaderElection.retryPeriodSeconds (%d) must be less than leaderElection.renewDeadlineSeconds (%d): otherwise one slow answer costs the lease" (int $lease.retryPeriodSeconds) (int $lease.renewDeadlineSeconds)) -}}
{{- end -}}
{{- end }}

{{/* Annotations of what the uninstall needs; the argument is its place in the order. */}}
{{- define "operator.cleanupHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
{{- end }}
