//! Raw sections to their meaning: one file per section, each says what is wrong with its place.
//!
//! A section that cannot be read leaves nothing behind, and reading goes on: the [`super::Config`] is only
//! handed out when there was no error at all.

mod headers;
pub(super) mod listener;
mod observe;
mod pem;
mod route;
mod service;
pub(super) mod target;
mod tests_section;
mod trust;

use super::Config;
use super::context::Context;
use super::diagnostic::Code;
use super::raw;
use super::tree::Span;

/// The meaning of a whole file. It may be used only when no error was found: what could not be read is left out.
pub(super) fn config(raw: &raw::File, context: &mut Context<'_>, root: Span) -> Config {
    context.name_services(raw.services.0.iter().map(|(name, _)| name));
    version(raw, context, root);
    let cores = u32::try_from(context.around.cores).unwrap_or(1).max(1);
    let workers = raw
        .workers
        .as_ref()
        .map(|n| super::tree::Spanned { value: u32::try_from(n.value).unwrap_or(u32::MAX), span: n.span });
    let workers = context.number(workers.as_ref(), (1, 1024), cores) as usize;
    let trust = trust::trust(&raw.trust, context);
    let listeners = listener::listeners(raw, &trust, context, root);
    let admin = raw.admin.as_ref().and_then(|admin| listener::admin(admin, context));
    let services = service::services(&raw.services, context);
    let routes = route::routes(raw, context);
    let config = Config {
        listeners,
        trust,
        strict: trust::strict(&raw.strict, context),
        workers,
        admin,
        drain: listener::drain(&raw.drain, context),
        mesh: None,
        sidecar: None,
        authorize: Vec::new(),
        auth: Vec::new(),
        services,
        routes,
        observe: observe::observe(&raw.observe, context),
        tests: tests_section::tests(raw, context),
        files: Vec::new(),
    };
    listener::one_bind_each(raw, &config, context);
    config
}

fn version(raw: &raw::File, context: &Context<'_>, root: Span) {
    let Some(version) = context.required(raw.version.as_ref(), "version", "the file", root) else { return };
    if version.value != 1 {
        let message = format!("version {} is not known to this portcullis", version.value);
        context.error(Code::BadValue, version.span, message, "write `version: 1`");
    }
}
