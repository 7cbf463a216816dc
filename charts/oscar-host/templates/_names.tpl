{{- define "oscar.labels" -}}
app.kubernetes.io/name: oscar-operator
app.kubernetes.io/part-of: oscar-host
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
{{- define "oscar.selector" -}}
app.kubernetes.io/name: oscar-operator
{{- end -}}
{{- /* A peer of the settings: named pods, or nobody. */ -}}
{{- define "oscar.peer" -}}
{{- if and .namespace .labels -}}
{{- dict "kind" "pods" "namespace" .namespace "labels" .labels | toJson -}}
{{- else -}}
{{- dict "kind" "nobody" | toJson -}}
{{- end -}}
{{- end -}}
