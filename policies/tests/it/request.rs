//! A request to the API server as an admission policy sees it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What is asked, by whom. Optional parts are empty, as in the API.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Request {
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub(crate) operation: String,
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// `plural` or `plural.group`.
    pub(crate) resource: String,
    #[serde(default = "v1")]
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) subresource: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) namespace: String,
}

fn v1() -> String {
    "v1".to_owned()
}

/// A request with its objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Admission {
    pub(crate) request: Request,
    /// The namespace that the object is in; `None` for objects outside of namespaces and for
    /// namespaces themselves.
    pub(crate) namespace: Option<Value>,
    pub(crate) object: Option<Value>,
    pub(crate) old_object: Option<Value>,
}

impl Request {
    pub(crate) fn plural(&self) -> &str {
        self.resource.split_once('.').map_or(self.resource.as_str(), |(plural, _)| plural)
    }

    pub(crate) fn group(&self) -> &str {
        self.resource.split_once('.').map_or("", |(_, group)| group)
    }

    /// The variable `request`. What is empty is not there at all.
    pub(crate) fn variable(&self) -> Value {
        let Self { operation, user, groups, resource: _, version, subresource, name, namespace } = self;
        let mut groups = groups.clone();
        if !groups.iter().any(|group| group == "system:unauthenticated" || group == "system:authenticated") {
            groups.push("system:authenticated".to_owned());
        }
        let mut request = Map::from_iter([
            ("operation".to_owned(), json!(operation)),
            ("userInfo".to_owned(), json!({"username": user, "groups": groups})),
            ("resource".to_owned(), json!({"group": self.group(), "version": version, "resource": self.plural()})),
        ]);
        for (field, text) in [("subResource", subresource), ("name", name), ("namespace", namespace)] {
            if !text.is_empty() {
                request.insert(field.to_owned(), json!(text));
            }
        }
        Value::Object(request)
    }
}
