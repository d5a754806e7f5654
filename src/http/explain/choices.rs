//! What `POST /explain` can be asked for, of the network that is served.

use serde::Serialize;

use super::parameters::{Method, with_gradient};
use googlenet_engine::model::Views;

/// The methods that this network has, and the modules that `method=gradient` takes.
#[derive(Serialize)]
pub struct Choices<'a> {
    methods: Vec<&'static str>,
    /// In data-flow order.
    modules: Vec<&'a str>,
}

impl<'a> Choices<'a> {
    /// Those of a network that shows these views.
    pub fn of(views: &'a Views) -> Self {
        let modules = with_gradient(views);
        let is_there = |method: &Method| match method {
            Method::Cam => views.classifier.is_some(),
            Method::Gradient => !modules.is_empty(),
            Method::Occlusion => true,
        };
        let methods = Method::ALL.into_iter().filter(is_there).map(Method::as_str).collect();
        Self { methods, modules: modules.iter().map(|module| module.name.as_str()).collect() }
    }
}
