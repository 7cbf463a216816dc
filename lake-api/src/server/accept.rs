//! Which media type an `Accept` header asks for (RFC 9110, section 12.5.1).

use http::{HeaderMap, header};

/// The first of `offers` (in our order of preference) with the highest weight, or `None`
/// when the caller accepts none of them. No header means everything. An offer is a media
/// type without parameters.
pub(crate) fn negotiate<'o>(headers: &HeaderMap, offers: &[&'o str]) -> Option<&'o str> {
    let mut ranges = Vec::new();
    for value in headers.get_all(header::ACCEPT) {
        ranges.extend(value.to_str().ok()?.split(',').filter_map(parse));
    }
    if ranges.is_empty() {
        return offers.first().copied();
    }
    let mut best: Option<(&str, f32)> = None;
    for offer in offers {
        let weight = weight(offer, &ranges);
        if weight > 0.0 && best.is_none_or(|(_, other)| weight > other) {
            best = Some((offer, weight));
        }
    }
    best.map(|(offer, _)| offer)
}

/// A media range and its weight; a range without type is none.
fn parse(part: &str) -> Option<(String, f32)> {
    let mut pieces = part.split(';').map(str::trim);
    let range = pieces.next().filter(|range| range.contains('/'))?.to_ascii_lowercase();
    let weight = pieces
        .find_map(|piece| piece.strip_prefix("q=").or_else(|| piece.strip_prefix("Q=")))
        .map_or(Some(1.0), |q| q.parse::<f32>().ok())?;
    Some((range, weight))
}

/// The weight of the most specific range that matches.
fn weight(offer: &str, ranges: &[(String, f32)]) -> f32 {
    let family = offer.split_once('/').map_or(offer, |(family, _)| family);
    let of = |wanted: &str| ranges.iter().find(|(range, _)| range == wanted).map(|(_, weight)| *weight);
    of(offer).or_else(|| of(&format!("{family}/*"))).or_else(|| of("*/*")).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))])
    }

    #[test]
    fn no_header_means_the_first_offer() {
        assert_eq!(negotiate(&HeaderMap::new(), &["text/csv", "application/json"]), Some("text/csv"));
    }

    #[test]
    fn the_heaviest_acceptable_offer_wins() {
        let offers = ["text/csv", "application/json"];
        assert_eq!(negotiate(&accept("text/csv;q=0.5, application/json"), &offers), Some("application/json"));
        assert_eq!(negotiate(&accept("application/*;q=0.9,*/*;q=0.1"), &offers), Some("application/json"));
        assert_eq!(negotiate(&accept("*/*"), &offers), Some("text/csv"));
    }

    #[test]
    fn nothing_acceptable_is_none() {
        assert_eq!(negotiate(&accept("image/png"), &["text/csv"]), None);
        assert_eq!(negotiate(&accept("text/csv;q=0, */*"), &["text/csv"]), None);
    }
}
