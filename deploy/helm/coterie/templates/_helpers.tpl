{{- define "coterie.name" -}}
{{- if contains "coterie" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-coterie" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "coterie.labels" -}}
app.kubernetes.io/name: coterie
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What selects pods: never changes. */}}
{{- define "coterie.selector" -}}
app.kubernetes.io/name: coterie
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "coterie.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}

{{- define "coterie.secret" -}}
{{- .Values.secret.existing | default (include "coterie.name" .) -}}
{{- end -}}

{{/* The head's service, as KubeRay names it. */}}
{{- define "coterie.head" -}}
{{ include "coterie.name" . }}-head-svc
{{- end -}}

{{/* Seconds that answers under way have, as the pool says. */}}
{{- define "coterie.drain" -}}
{{- $server := .Values.pool.server | default dict -}}
{{- ceil ($server.drain_timeout_s | default 20) -}}
{{- end -}}

{{/* Seconds until a pod is killed: the hook has as many as the service, which comes after it. */}}
{{- define "coterie.grace" -}}
{{- $server := .Values.pool.server | default dict -}}
{{- $drain := include "coterie.drain" . | int -}}
{{- add $drain (ceil ($server.drain_notice_s | default 0) | int) $drain 20 -}}
{{- end -}}

{{- define "coterie.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "coterie.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "coterie.env" -}}
- {name: RAY_AUTH_MODE, value: token}
{{- end -}}

{{- define "coterie.envFrom" -}}
- secretRef: {name: {{ include "coterie.secret" . }}}
{{- end -}}

{{- define "coterie.volumes" -}}
- {name: tmp, emptyDir: {}}
- {name: home, emptyDir: {}}
{{- if .Values.models.enabled }}
- name: models
  persistentVolumeClaim:
    claimName: {{ .Values.models.existingClaim | default (printf "%s-models" (include "coterie.name" .)) }}
{{- end }}
{{- end -}}

{{- define "coterie.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: home, mountPath: /home/coterie}
- {name: shm, mountPath: /dev/shm}
{{- if .Values.models.enabled }}
- {name: models, mountPath: /models}
{{- end }}
{{- end -}}

{{- define "coterie.shm" -}}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: {{ . }}}
{{- end -}}

{{/* KubeRay's own probes need wget, which the image has not. */}}
{{- define "coterie.rayProbes" -}}
startupProbe:
  exec: {command: [python, /usr/local/lib/coterie/health.py, {{ . }}]}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  exec: {command: [python, /usr/local/lib/coterie/health.py, {{ . }}]}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  exec: {command: [python, /usr/local/lib/coterie/health.py, {{ . }}]}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{/* Whether Ray may ask for nodes by itself. */}}
{{- define "coterie.autoscales" -}}
{{- gt (int .Values.ray.workers.maxReplicas) (int .Values.ray.workers.minReplicas) -}}
{{- end -}}
