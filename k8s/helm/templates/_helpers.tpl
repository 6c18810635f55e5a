{{- define "segmenter.labels" -}}
app.kubernetes.io/name: time-series-segmenter
app.kubernetes.io/part-of: time-series-segmenter
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "segmenter.image" -}}
{{- $tag := .image.tag | default .chart.AppVersion -}}
{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "segmenter.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "segmenter.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "segmenter.mounts" -}}
{{- if ne .Values.store.kind "bucket" }}
- name: models
  mountPath: /app/models
{{- end }}
- name: tmp
  mountPath: /tmp
{{- end }}

{{- define "segmenter.volumes" -}}
{{- if ne .Values.store.kind "bucket" }}
- name: models
  persistentVolumeClaim:
    claimName: {{ .Values.store.existingClaim | default "models" }}
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- end }}

{{- define "segmenter.storeCredentials" -}}
{{- if eq .Values.store.kind "bucket" }}
- secretRef:
    name: {{ .Values.store.credentialsSecret }}
    optional: true
{{- end }}
{{- end }}

{{- define "segmenter.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- /* A CronJob's pod; the trainer's Jobs and reconciliation differ in name, arguments, variables and resources. */}}
{{- define "segmenter.jobPod" -}}
metadata:
  labels:
    {{- include "segmenter.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ .name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 60
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- include "segmenter.placement" .root.Values.train | nindent 2 }}
  securityContext:
    {{- include "segmenter.podSecurity" . | nindent 4 }}
  containers:
    - name: {{ .name }}
      image: {{ include "segmenter.image" (dict "image" .root.Values.image.train "chart" .root.Chart) }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: [python, -m, training]
      args: {{ toJson .args }}
      envFrom:
        - configMapRef:
            name: settings
        {{- include "segmenter.storeCredentials" .root | nindent 8 }}
      env:
        - name: LABEL_STUDIO_API_KEY
          valueFrom:
            secretKeyRef:
              name: {{ .root.Values.existingSecret }}
              key: LABEL_STUDIO_API_KEY
        {{- with .root.Values.train.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      securityContext:
        {{- include "segmenter.containerSecurity" . | nindent 8 }}
      volumeMounts:
        {{- include "segmenter.mounts" .root | nindent 8 }}
  volumes:
    {{- include "segmenter.volumes" .root | nindent 4 }}
{{- end }}

{{- define "segmenter.podFailurePolicy" -}}
rules:
  # bad configuration or data: another try would only do the same
  - action: FailJob
    onExitCodes:
      containerName: {{ .name }}
      operator: In
      values: [2]
  # the node went away: not the training's fault
  - action: Ignore
    onPodConditions:
      - type: DisruptionTarget
        status: "True"
{{- end }}
