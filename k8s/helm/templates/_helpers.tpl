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
{{- if .Values.customCA.configMap }}
- name: ca
  mountPath: /etc/segmenter-ca
  readOnly: true
{{- end }}
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
{{- with .Values.customCA.configMap }}
- name: ca
  configMap:
    name: {{ . }}
{{- end }}
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
{{- end }}

{{- define "segmenter.priority" -}}
{{- $name := .chosen | default (ternary .ours "" .root.Values.priorityClasses.enabled) }}
{{- with $name }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- /* A CronJob's pod. Jobs differ in name, account, image, program, arguments, variables and resources. */}}
{{- define "segmenter.jobPod" -}}
{{- $gpu := and (eq .name "train") .root.Values.gpu.enabled }}
metadata:
  labels:
    {{- include "segmenter.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
    {{- with .root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ .account | default .name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 60
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- $tolerations := .root.Values.train.tolerations }}
  {{- if $gpu }}
  {{- $tolerations = append $tolerations (dict "key" .root.Values.gpu.resource "operator" "Exists" "effect" "NoSchedule") }}
  {{- end }}
  {{- include "segmenter.placement" (merge (dict "tolerations" $tolerations) .root.Values.train) | nindent 2 }}
  {{- include "segmenter.priority" (dict "root" .root "chosen" .root.Values.train.priorityClassName "ours" "segmenter-jobs") | nindent 2 }}
  securityContext:
    {{- include "segmenter.podSecurity" . | nindent 4 }}
  containers:
    - name: {{ .name }}
      {{- $image := .image | default .root.Values.image.train }}
      {{- if $gpu }}
      {{- $image = .root.Values.gpu.image }}
      {{- end }}
      image: {{ include "segmenter.image" (dict "image" $image "chart" .root.Chart) }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: [python, -m, {{ .program | default "training" }}]
      args: {{ toJson .args }}
      envFrom:
        - configMapRef:
            name: settings
        {{- include "segmenter.storeCredentials" .root | nindent 8 }}
      env:
        {{- if $gpu }}
        - name: DEVICE
          value: cuda
        {{- end }}
        - name: LABEL_STUDIO_API_KEY
          valueFrom:
            secretKeyRef:
              name: {{ .root.Values.existingSecret }}
              key: LABEL_STUDIO_API_KEY
        {{- with .env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with .root.Values.train.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- $resources := deepCopy .resources }}
        {{- if $gpu }}
        {{- $limits := dict "memory" .root.Values.gpu.memory .root.Values.gpu.resource (toString .root.Values.gpu.count) }}
        {{- $resources = mergeOverwrite $resources (dict "limits" $limits) }}
        {{- end }}
        {{- toYaml $resources | nindent 8 }}
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
