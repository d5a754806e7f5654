//! The errors of a route, as the document lists them: by status, each with its codes and what they mean.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::http::error_table::ErrorKind;

/// Declares a type that stands for the errors of a route in its `responses(…)`: those that are named, and those of
/// any request.
macro_rules! route_errors {
    ($name:ident: $($kind:ident),*) => {
        struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                crate::http::openapi::errors::responses(&[
                    $(crate::http::error_table::ErrorKind::$kind),*
                ])
            }
        }
    };
}

pub(in crate::http) use route_errors;

/// A response for each status of `kinds` and of the errors of any request.
pub(in crate::http) fn responses(kinds: &[ErrorKind]) -> BTreeMap<String, RefOr<Response>> {
    let mut meanings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kind in kinds.iter().chain(&ErrorKind::OF_ANY_REQUEST) {
        let meaning = format!("{} (`{}`)", kind.meaning(), kind.code());
        meanings.entry(kind.status().as_str().to_owned()).or_default().push(meaning);
    }
    meanings
        .into_iter()
        .map(|(status, meanings)| (status, response(&meanings.join("; ")).into()))
        .collect()
}

fn response(description: &str) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
    let mut letters = description.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let description: String = first.into_iter().chain(letters).collect();
    ResponseBuilder::new().description(description).content("application/json", body).build()
}
