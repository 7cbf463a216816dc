//! The second lock: admission policies that hold in the cluster whoever asks, the operator
//! included. The texts are the YAML files beside this crate; its tests show what each lets
//! through and what it denies (`README.md` says how a case is written).
//!
//! | policy | says |
//! |---|---|
//! | `tenant-namespaces` | only the operator makes, changes and deletes tenants' namespaces |
//! | `tenant-objects` | inside them nobody writes, except by a list |
//! | `tenant-pods` | pods there run known images, with nothing of the node or the cluster |
//! | `tenant-doors` | nobody enters these pods |
//! | `break-glass` | who opens a door in an emergency, and in which form |
//! | `node-doors` | nor enters them by way of their node |
//! | `data-permits` | a permit is never widened in place |
//! | `findings` | status and finalizers of our kinds are the operator's |
//! | `operator-home` | the operator writes nowhere else |
//! | `operator-identity` | nobody else gets its token |
//! | `deletion-protection` | what all tenants hang on is not deleted by a slip of the hand |
//! | `admission-settings` | who changes the settings of the policies |
//!
//! Whatever varies between installations is in one object, [`SETTINGS`]. The operator's name
//! (`system:serviceaccount:oscar-host:oscar-operator`) does not vary: `host` is a name that
//! no tenant may have, and a name in a `ConfigMap` could be changed by whoever may edit it.
//! A policy that looks beyond tenants' namespaces names no settings, because Kubernetes
//! denies what such a policy looks at while its settings are missing.

/// Every policy with its binding: the name without the prefix `oscar-`, and the YAML text.
pub const POLICIES: [(&str, &str); 12] = [
    ("tenant-namespaces", include_str!("../tenant-namespaces.yaml")),
    ("tenant-objects", include_str!("../tenant-objects.yaml")),
    ("tenant-pods", include_str!("../tenant-pods.yaml")),
    ("tenant-doors", include_str!("../tenant-doors.yaml")),
    ("break-glass", include_str!("../break-glass.yaml")),
    ("node-doors", include_str!("../node-doors.yaml")),
    ("data-permits", include_str!("../data-permits.yaml")),
    ("findings", include_str!("../findings.yaml")),
    ("operator-home", include_str!("../operator-home.yaml")),
    ("operator-identity", include_str!("../operator-identity.yaml")),
    ("deletion-protection", include_str!("../deletion-protection.yaml")),
    ("admission-settings", include_str!("../admission-settings.yaml")),
];

/// The settings as they are shipped: no image and no break-glass group yet.
pub const SETTINGS: &str = include_str!("../settings.yaml");
