//! Finds a module of the network by the name that a client gives it.

use super::error::{ApiError, shown};
use googlenet_engine::model::ModuleView;

/// The index of the module of this name.
///
/// # Errors
/// [`ApiError::InvalidParameter`] lists the modules.
pub fn module(name: &str, modules: &[ModuleView]) -> Result<usize, ApiError> {
    modules.iter().position(|module| module.name == name).ok_or_else(|| {
        let names: Vec<&str> = modules.iter().map(|module| module.name.as_str()).collect();
        ApiError::InvalidParameter(format!(
            "module has `{}`, which is not an inception module of this network: use {}",
            shown(name),
            names.join(", ")
        ))
    })
}
