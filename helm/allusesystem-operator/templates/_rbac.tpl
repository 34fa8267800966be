{{/*
What the operator may do in the namespaces that it serves; each verb is one that it uses.
Server-side apply needs "patch", and "create" where the object is not there yet. There is no right here on
secrets, roles or pods/exec, and none to escalate, bind or impersonate. tests/chart/rbac.yaml is the
declared table that these rules are compared with.
*/}}
{{- define "operator.namespacedRules" -}}
- apiGroups: [alluse.io]
  resources: [allusesystems]
  verbs: [get, list, watch, patch]
- apiGroups: [alluse.io]
  resources: [allusesystems/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch]
# Who the Services lead to.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
# What a workload was when it was last healthy, to go back to.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
# Our own events, and those that say why a pod could not be created (quota, Pod Security).
- apiGroups: [""]
  resources: [events]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- end }}

{{/* What belongs to the whole cluster: only where all namespaces are served. Without it, trouble of nodes is
not told from trouble of components. */}}
{{- define "operator.clusterRules" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
{{- end }}

{{/* What the hook before an uninstall may do, in the namespaces that the release serves. */}}
{{- define "operator.cleanupRules" -}}
- apiGroups: [alluse.io]
  resources: [allusesystems]
  verbs: [list, delete, patch]
{{- end }}
