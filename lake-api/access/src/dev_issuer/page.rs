//! The few pages people see: plain HTML, no script, nothing from elsewhere.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// Loopback callbacks are named because browsers apply `form-action` to redirects too.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'self' http://127.0.0.1:* http://localhost:* http://[::1]:*";

/// A page with a title and a body that is HTML already.
pub(super) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body><h1>{title}</h1>{body}<p><small>OSCAR HOST development issuer. No passwords: for this machine only.\
         </small></p></body></html>"
    );
    let mut response = (status, Html(html)).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// A page that says one sentence.
pub(super) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, &format!("<p>{}</p>", escape(text)))
}

/// A form with one button per user, sent to `action` with `fields` as hidden inputs.
pub(super) fn user_form(action: &str, fields: &[(&str, &str)], users: &[String]) -> String {
    let mut form = vec![format!("<form method=\"post\" action=\"{}\">", escape(action))];
    form.extend(
        fields.iter().map(|(name, value)| {
            format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
        }),
    );
    form.extend(
        users.iter().map(|user| format!("<p><button name=\"user\" value=\"{0}\">{0}</button></p>", escape(user))),
    );
    form.push("</form>".to_owned());
    form.concat()
}

/// Text as HTML, inside elements and quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let form = user_form("/a?b=\"><script>", &[("x", "'\"<")], &["alice".to_owned()]);
        assert!(!form.contains("<script>"));
        assert!(form.contains("value=\"&#39;&quot;&lt;\""));
    }
}
