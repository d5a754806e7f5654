//! The list at `GET /`: what an address serves, of which network, and how that can be explained there.

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use super::explain::Choices;
use super::state::Service;
use googlenet_engine::model_info::ModelIdentity;

const EXPLAIN: &str = "/explain";

/// What an address serves, for programs and for the page, which shows no tab that has nothing to ask.
#[derive(Clone)]
pub(super) struct Index {
    paths: Vec<Served>,
}

/// One request that can be sent.
#[derive(Clone, Serialize)]
struct Served {
    method: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
}

/// The list as it is answered. What needs the network is left out until that is loaded.
#[derive(Serialize)]
struct Listed<'a> {
    service: &'static str,
    /// Of the program.
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Model<'a>>,
    /// Left out where `POST /explain` is not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Choices<'a>>,
    paths: &'a [Served],
}

/// What every answer of this address says of the network, and what limits `top_k`.
#[derive(Serialize)]
struct Model<'a> {
    #[serde(flatten)]
    identity: &'a ModelIdentity,
    classes: usize,
}

impl Index {
    /// What these documents describe, and the page about all of it where that is served.
    pub(super) fn new(documents: &[OpenApi], has_docs: bool) -> Self {
        let paths = documents.iter().flat_map(|document| document.paths.paths.iter());
        let mut paths: Vec<Served> = paths.flat_map(|(path, item)| served(path, item)).collect();
        if has_docs {
            let page = |path: &str, summary: &str| Served {
                method: "GET",
                path: path.to_owned(),
                summary: Some(summary.to_owned()),
            };
            paths.push(page("/docs", "All of this, to read and to try."));
            paths.push(page("/openapi.json", "All of this, for generators of clients."));
        }
        Self { paths }
    }

    /// The list; with a `service`, also what its network is.
    pub(super) fn answer(&self, service: Option<&Service>) -> Response {
        let explains = self.paths.iter().any(|served| served.path == EXPLAIN);
        let listed = Listed {
            service: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            model: service.map(|Service { model, .. }| Model {
                identity: &model.identity,
                classes: model.labels.classes(),
            }),
            explain: service
                .filter(|_| explains)
                .map(|service| Choices::of(&service.pipeline.views)),
            paths: &self.paths,
        };
        ([(header::CACHE_CONTROL, "no-store")], Json(listed)).into_response()
    }
}

fn served<'a>(path: &'a str, item: &'a PathItem) -> impl Iterator<Item = Served> + 'a {
    let operations: [(&str, &Option<Operation>); 2] = [("GET", &item.get), ("POST", &item.post)];
    operations.into_iter().filter_map(move |(method, operation)| {
        let summary = operation.as_ref()?.summary.clone();
        Some(Served { method, path: path.to_owned(), summary })
    })
}
