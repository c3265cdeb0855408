//! `overload:`: what the process does when it gets more than it can carry.

use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::overload::{Memory, Overload};
use crate::config::raw;
use crate::config::tree::Text;
use crate::config::units::{self, SIZE_HELP, show_percent, show_size};

/// Less than this is not enough for the process itself.
const LEAST: u64 = 16 << 20;

/// The bound on requests and the ladder of memory.
pub(super) fn overload(raw: &raw::Overload, context: &Context<'_>) -> Overload {
    let ladder = match &raw.memory {
        None => Some(Memory::default()),
        Some(raw::MemoryOrNone::Word(raw::MemoryWord::None)) => None,
        Some(raw::MemoryOrNone::Ladder(ladder)) => Some(memory(ladder, context)),
    };
    let concurrent = raw.concurrent.as_ref().and_then(|text| count(&text.0, context));
    let shed_when_behind = raw.shed_when_behind.as_ref().is_some_and(|word| word.value);
    Overload { concurrent, memory: ladder, shed_when_behind }
}

/// A number from 1 on; `None` = `none`.
fn count(text: &Text, context: &Context<'_>) -> Option<u32> {
    if text.value == "none" {
        return None;
    }
    let number = text.value.parse::<u32>().ok().filter(|number| *number > 0);
    if number.is_none() {
        let message = format!("`{}` is not a number of requests", text.value);
        let help = format!("write a whole number from 1 to {}, or `none`", u32::MAX);
        context.error(Code::BadValue, text.span, message, help);
    }
    number
}

fn memory(raw: &raw::Memory, context: &Context<'_>) -> Memory {
    let default = Memory::default();
    let percent = |text: Option<&Text>, default: u8| {
        text.map_or(default, |text| percent(text, context).unwrap_or(default))
    };
    let leave_at = percent(raw.leave_at.as_ref(), default.leave_at);
    let refuse_at = percent(raw.refuse_at.as_ref(), default.refuse_at);
    if leave_at > refuse_at
        && let Some(text) = raw.leave_at.as_ref().or(raw.refuse_at.as_ref())
    {
        let (leave, refuse) = (show_percent(leave_at), show_percent(refuse_at));
        let message =
            format!("clients would be refused (at {refuse}) before they are asked to leave (at {leave})");
        context.error(Code::Conflict, text.span, message, "`leave_at` cannot be above `refuse_at`");
    }
    let limit = raw.limit.as_ref().and_then(|text| limit(text, context));
    Memory { limit, leave_at, refuse_at }
}

fn percent(text: &Text, context: &Context<'_>) -> Option<u8> {
    match units::percent(&text.value) {
        Ok(0) => {
            let help = "write from `1%` to `100%`, or `memory: none`";
            context.error(Code::BadValue, text.span, "something is always used", help);
            None
        }
        Ok(percent) => Some(percent),
        Err(error) => {
            context.bad_unit(text.span, &error, "write a whole number from `1%` to `100%`");
            None
        }
    }
}

fn limit(text: &Text, context: &Context<'_>) -> Option<u64> {
    if text.value == "auto" {
        return None;
    }
    match units::size(&text.value) {
        Ok(Some(bytes)) if bytes >= LEAST => Some(bytes),
        Ok(Some(_)) => {
            let message = format!("`{}` is less than the process itself needs", text.value);
            context.error(Code::BadValue, text.span, message, format!("at least {}", show_size(LEAST)));
            None
        }
        Ok(None) => {
            let help = "write a size or `auto`; `memory: none` switches the watch off";
            context.error(Code::BadValue, text.span, "this limit cannot be switched off", help);
            None
        }
        Err(error) => {
            context.bad_unit(text.span, &error, &format!("{SIZE_HELP}, or `auto`"));
            None
        }
    }
}
