//! `GET /model/filters`: the filters of the first layer.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::accept::{PNG, prefers};
use super::error::ApiError;
use super::openapi::bodies::RawBytes;
use super::openapi::errors::route_errors;
use super::state::{AppState, Service};
use crate::inside;
use googlenet_engine::model::ColourFilters;
use googlenet_engine::model_info::ModelIdentity;

route_errors!(FilterErrors: NotFound, QueueFull, Internal, NotReady, ShuttingDown);

/// The filters of the first layer.
#[derive(Serialize, ToSchema)]
pub struct FilterList<'a> {
    /// The model that has them.
    model: &'a ModelIdentity,
    /// The number of filters, which is that of the channels of the first map.
    #[schema(example = 64)]
    filters: usize,
    /// Rows of a filter.
    #[schema(example = 7)]
    height: usize,
    /// Pixels of a row.
    #[schema(example = 7)]
    width: usize,
    /// The largest weight, whatever its sign: what the brightest and the darkest colour of the picture are worth.
    largest: f32,
    /// `[filter][row][column]`, three weights each: red, green, blue.
    #[schema(value_type = Vec<Vec<Vec<Vec<f32>>>>)]
    weights: Vec<Vec<&'a [[f32; 3]]>>,
}

impl<'a> FilterList<'a> {
    fn new(model: &'a ModelIdentity, filters: &'a ColourFilters) -> Self {
        let rows = |filter: &'a [[f32; 3]]| filter.chunks_exact(filters.width.max(1)).collect();
        Self {
            model,
            filters: filters.count,
            height: filters.height,
            width: filters.width,
            largest: filters.largest(),
            weights: filters.filters().map(rows).collect(),
        }
    }
}

/// The filters of the first layer, red, green and blue in this order whatever the order of the model's input; with
/// `Accept: image/png` a picture of them.
///
/// In the picture all filters have one scale: middle grey is a weight of 0.
#[utoipa::path(get, path = "/model/filters", tag = "model",
    responses(
        (status = 200, description = "All filters",
            content((FilterList = "application/json"), (inline(RawBytes) = "image/png"))),
        FilterErrors))]
pub async fn filters(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Service { model, colour_filters, pipeline, .. } = state.service()?;
    let Some(filters) = colour_filters else {
        return Err(ApiError::UnknownName(
            "the first layer of this network is not a convolution that reads the three colours: there are no filters \
             to show"
                .into(),
        ));
    };
    let vary = [(header::VARY, "accept")];
    if !prefers(&headers, PNG) {
        return Ok((vary, Json(FilterList::new(&model.identity, filters))).into_response());
    }
    let filters = filters.clone();
    let drawn = pipeline.run_blocking(move || inside::filters(&filters)).await;
    let png = drawn.map_err(|error| state.body_failed(error))?;
    let png = png.map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok((vary, [(header::CONTENT_TYPE, "image/png")], png).into_response())
}
