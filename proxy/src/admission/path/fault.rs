//! Why a path has no single meaning. Every fault is the client's: status 400.

use std::fmt;

/// A reason to refuse a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathFault {
    /// Does not begin with `/`.
    NotAbsolute,
    /// `%` without two hexadecimal digits.
    BadEscape,
    /// `%00` … `%1F` or `%7F`.
    Control,
    /// A byte that must not stand in a path as it is (RFC 3986 §3.3).
    Character,
    /// `\` or `%5C`: some servers take it for `/`.
    Backslash,
    /// `#` or `%23`: some servers cut the path there.
    Fragment,
    /// `//`, or a segment with nothing in front of its `;`.
    EmptySegment,
    /// A segment that is `.` or `..` only once decoded.
    EncodedDots,
    /// A dot segment for servers that cut at `;` or decode `%2F`: `/..;/`, `/x%2F..%2Fy`, `/x;/../y`.
    DisguisedDots,
    /// More `..` than segments in front of them.
    AboveRoot,
    /// `%2F` where the route does not permit it.
    EncodedSlash,
    /// `;` or `%3B` where the route does not permit it.
    Semicolon,
}

impl PathFault {
    /// Every fault.
    pub const ALL: [Self; 12] = [
        Self::NotAbsolute,
        Self::BadEscape,
        Self::Control,
        Self::Character,
        Self::Backslash,
        Self::Fragment,
        Self::EmptySegment,
        Self::EncodedDots,
        Self::DisguisedDots,
        Self::AboveRoot,
        Self::EncodedSlash,
        Self::Semicolon,
    ];

    /// The word for logs and metric labels.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAbsolute => "not_absolute",
            Self::BadEscape => "bad_escape",
            Self::Control => "control",
            Self::Character => "character",
            Self::Backslash => "backslash",
            Self::Fragment => "fragment",
            Self::EmptySegment => "empty_segment",
            Self::EncodedDots => "encoded_dots",
            Self::DisguisedDots => "disguised_dots",
            Self::AboveRoot => "above_root",
            Self::EncodedSlash => "encoded_slash",
            Self::Semicolon => "semicolon",
        }
    }

    /// One sentence for the client, without anything of the path itself.
    pub fn detail(self) -> &'static str {
        match self {
            Self::NotAbsolute => "The path does not begin with a slash.",
            Self::BadEscape => "The path holds a % that is not followed by two hexadecimal digits.",
            Self::Control => "The path holds an encoded control character.",
            Self::Character => "The path holds a character that must be percent-encoded.",
            Self::Backslash => "The path holds a backslash.",
            Self::Fragment => "The path holds a #.",
            Self::EmptySegment => "The path holds an empty segment.",
            Self::EncodedDots => "The path holds an encoded dot segment.",
            Self::DisguisedDots => "The path holds a dot segment beside a semicolon or an encoded slash.",
            Self::AboveRoot => "The path climbs above the root.",
            Self::EncodedSlash => "The path holds an encoded slash, which is not permitted here.",
            Self::Semicolon => "The path holds a semicolon, which is not permitted here.",
        }
    }

    /// HTTP status of the refusal.
    pub fn status(self) -> u16 {
        400
    }
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl std::error::Error for PathFault {}
