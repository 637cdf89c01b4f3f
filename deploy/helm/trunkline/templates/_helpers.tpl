{{- define "trunkline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "trunkline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "trunkline.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "trunkline.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of a component's objects, from (list $ name): crm_context -> trunkline-crm-context. */}}
{{- define "trunkline.componentName" -}}
{{- printf "%s-%s" (include "trunkline.fullname" (index . 0)) (index . 1 | replace "_" "-") -}}
{{- end -}}

{{/* A headless Service has a name of its own, because the kind of a Service cannot be changed in place. */}}
{{- define "trunkline.serviceName" -}}
{{- $root := index . 0 -}}
{{- $headless := and $root.Values.grpc.headless (index . 2).grpcPort -}}
{{- include "trunkline.componentName" . -}}{{- if $headless -}}-headless{{- end -}}
{{- end -}}

{{- define "trunkline.selectorLabels" -}}
app.kubernetes.io/name: {{ include "trunkline.name" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 | replace "_" "-" }}
{{- end -}}

{{- define "trunkline.labels" -}}
{{ include "trunkline.selectorLabels" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
app.kubernetes.io/part-of: trunkline
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end -}}

{{- define "trunkline.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The enabled components, each laid over the defaults, as one YAML map. */}}
{{- define "trunkline.components" -}}
{{- $components := dict -}}
{{- range $name, $own := .Values.components -}}
{{- $component := mergeOverwrite (deepCopy $.Values.defaults) (deepCopy $own) -}}
{{- if $component.enabled -}}
{{- $_ := set $component "module" (default (printf "services.%s" $name) $component.module) -}}
{{- $most := ternary $component.autoscaling.maxReplicas $component.replicas $component.autoscaling.enabled -}}
{{- if and $component.partitioned (gt (int $most) (int $.Values.kafka.partitions)) -}}
{{- fail (printf "components.%s: %d replicas cannot share %d partitions (kafka.partitions); the rest would idle" $name (int $most) (int $.Values.kafka.partitions)) -}}
{{- end -}}
{{- $_ := set $components $name $component -}}
{{- end -}}
{{- end -}}
{{- toYaml $components -}}
{{- end -}}

{{/* The plain settings every process shares: the ConfigMap and the topics job are written from this one list. */}}
{{- define "trunkline.settings" -}}
TRUNKLINE_ENVIRONMENT: {{ .Values.environment | quote }}
TRUNKLINE_LOG_LEVEL: {{ .Values.logLevel | quote }}
TRUNKLINE_HOST: {{ .Values.host | quote }}
TRUNKLINE_DATA_DIR: /var/lib/trunkline
TRUNKLINE_OTLP_ENDPOINT: {{ .Values.telemetry.otlpEndpoint | quote }}
TRUNKLINE_KAFKA_BOOTSTRAP: {{ required "kafka.bootstrap: the address of the Kafka cluster is required" .Values.kafka.bootstrap | quote }}
TRUNKLINE_KAFKA_PARTITIONS: {{ .Values.kafka.partitions | int | quote }}
TRUNKLINE_KAFKA_REPLICATION: {{ .Values.kafka.replication | int | quote }}
TRUNKLINE_KAFKA_COMPRESSION: {{ .Values.kafka.compression | quote }}
TRUNKLINE_KAFKA_FETCH_WAIT_MS: {{ .Values.kafka.fetchWaitMs | int | quote }}
TRUNKLINE_KAFKA_PATIENT_WAIT_MS: {{ .Values.kafka.patientWaitMs | int | quote }}
TRUNKLINE_KAFKA_SESSION_TIMEOUT_MS: {{ .Values.kafka.sessionTimeoutMs | int | quote }}
TRUNKLINE_MONGO_DATABASE_PREFIX: {{ .Values.mongo.databasePrefix | quote }}
TRUNKLINE_OBJECT_STORE_URL: {{ required "objectStore.url: s3://bucket/prefix is required" .Values.objectStore.url | quote }}
{{- if eq .Values.environment "production" }}
TRUNKLINE_OIDC_ISSUER: {{ required "oidc.issuer: the token issuer is required in production" .Values.oidc.issuer | quote }}
TRUNKLINE_OIDC_AUDIENCE: {{ required "oidc.audience: the tokens' audience is required in production" .Values.oidc.audience | quote }}
TRUNKLINE_OIDC_JWKS_URL: {{ .Values.oidc.jwksUrl | quote }}
{{- end }}
{{- with .Values.objectStore.region }}
AWS_REGION: {{ . | quote }}
{{- end }}
{{- with .Values.objectStore.endpoint }}
AWS_ENDPOINT_URL: {{ . | quote }}
AWS_ALLOW_HTTP: {{ hasPrefix "http://" . | quote }}
{{- end }}
{{- range $name, $component := include "trunkline.components" . | fromYaml }}
{{- if $component.grpcPort }}
TRUNKLINE_{{ upper $name }}_ADDRESS: {{ printf "%s:%d" (include "trunkline.serviceName" (list $ $name $component)) (int $component.grpcPort) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "trunkline.kafkaSecretEnv" }}
{{- with .Values.kafka.clientConfig }}
{{- if .existingSecret }}
- name: TRUNKLINE_KAFKA_CLIENT_CONFIG
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .key }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The settings that are secret, each by reference. */}}
{{- define "trunkline.secretEnv" -}}
- name: TRUNKLINE_MONGO_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.mongo.existingSecret }}
      key: {{ .Values.mongo.key }}
- name: TRUNKLINE_SERVICE_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ .Values.serviceSecret.existingSecret }}
      key: {{ .Values.serviceSecret.key }}
{{- include "trunkline.kafkaSecretEnv" . }}
{{- with .Values.objectStore.credentials }}
{{- if .existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .accessKeyIdKey }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .secretAccessKeyKey }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "trunkline.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "trunkline.volumeMounts" -}}
- {name: data, mountPath: /var/lib/trunkline}
- {name: tmp, mountPath: /tmp}
{{- if .Values.kafka.tlsSecret }}
- name: kafka-tls
  mountPath: /etc/trunkline/kafka
  readOnly: true
{{- end }}
{{- end -}}

{{/* From (list $ sizeLimit). */}}
{{- define "trunkline.volumes" -}}
- name: data
  emptyDir: {sizeLimit: {{ index . 1 }}}
- name: tmp
  emptyDir: {sizeLimit: {{ index . 1 }}}
{{- with (index . 0).Values.kafka.tlsSecret }}
- name: kafka-tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end -}}
