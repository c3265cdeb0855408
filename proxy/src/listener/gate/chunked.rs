//! Follows a chunked body to its last byte.
//!
//! Knows nothing of heads and keeps nothing: bytes pass as they come, up to the first that is wrong. Stricter
//! than hyper, which takes blanks after a size, empty extensions and control bytes in extensions. Trailer
//! names are not judged here, only their form. Source: RFC 9112 §7.1.
//!
//! | state     | in                                   | leaves to                                           |
//! |-----------|--------------------------------------|-----------------------------------------------------|
//! | Size      | hex digits                           | `;` Extension, CR SizeLf                            |
//! | Extension | what is printable                    | CR SizeLf                                           |
//! | SizeLf    | –                                    | LF Data, or FieldStart when the size was 0          |
//! | Data      | so many bytes                        | DataCr                                              |
//! | DataCr, DataLf | –                               | CR, LF: Size                                        |
//! | FieldStart| –                                    | CR EndLf, else FieldName                            |
//! | FieldName | token bytes                          | `:` FieldValue                                      |
//! | FieldValue| what is printable                    | CR FieldLf, then LF FieldStart                      |
//! | EndLf     | –                                    | LF: the body has ended                              |

use super::body::Progress;
use super::octets::{self, TOKEN, VALUE};
use super::{Fault, Limits};

/// Fifteen hex digits are 60 bits: more than any body, and no sum overflows.
const MAX_SIZE_DIGITS: usize = 15;

/// Where in a chunked body we are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chunked {
    state: State,
    /// Bytes left of the chunk under way; while its size is read, the size so far.
    size: u64,
    /// Bytes of the element under way: digits of a size, bytes of a trailer name.
    element: usize,
    /// Whether the extension under way has said something since its last `;`.
    says: bool,
    /// Bytes of extensions so far.
    extensions: usize,
    /// Bytes of trailers so far.
    trailers: usize,
    /// Trailer fields so far.
    fields: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    FieldStart,
    FieldName,
    FieldValue,
    FieldLf,
    EndLf,
    End,
}

impl Chunked {
    /// Follows the body through `input`.
    pub(super) fn follow(&mut self, input: &[u8], limits: &Limits) -> Progress {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            if self.state == State::Data {
                let left = input.len() - at;
                let taken = usize::try_from(self.size).map_or(left, |size| size.min(left));
                at += taken;
                self.size -= taken as u64;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            match self.byte(byte, limits) {
                Ok(State::End) => return Progress::Done(at + 1),
                Ok(state) => self.state = state,
                Err(fault) => return Progress::Fault(at, fault),
            }
            at += 1;
        }
        Progress::More
    }

    /// One byte outside the data: the state after it.
    #[inline]
    fn byte(&mut self, byte: u8, limits: &Limits) -> Result<State, Fault> {
        match (self.state, byte) {
            (State::Size, _) => self.size_byte(byte, limits),
            (State::Extension, _) => self.extension_byte(byte, limits),
            (State::SizeLf, b'\n') if self.size == 0 => Ok(State::FieldStart),
            (State::SizeLf, b'\n') => Ok(State::Data),
            (State::SizeLf, _) => Err(Fault::BareCr),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => {
                self.element = 0;
                Ok(State::Size)
            }
            (State::Data | State::DataCr | State::DataLf | State::End, _) => Err(Fault::ChunkEnd),
            _ => self.trailer_byte(byte, limits),
        }
    }

    fn size_byte(&mut self, byte: u8, limits: &Limits) -> Result<State, Fault> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if self.element > 0 => return Ok(State::SizeLf),
            b';' if self.element > 0 => return self.extension_byte(byte, limits),
            b'\n' if self.element > 0 => return Err(Fault::BareLf),
            _ => return Err(Fault::ChunkSize),
        };
        self.element += 1;
        if self.element > MAX_SIZE_DIGITS {
            return Err(Fault::ChunkSize);
        }
        self.size = self.size << 4 | u64::from(digit);
        Ok(State::Size)
    }

    fn extension_byte(&mut self, byte: u8, limits: &Limits) -> Result<State, Fault> {
        match byte {
            b'\r' if self.says => return Ok(State::SizeLf),
            b'\n' => return Err(Fault::BareLf),
            b';' => self.says = false,
            b' ' | b'\t' => {}
            _ if octets::class(byte) & VALUE != 0 => self.says = true,
            _ => return Err(Fault::ChunkExtension),
        }
        self.extensions += 1;
        if self.extensions > limits.chunk_extension_bytes {
            return Err(Fault::ChunkExtensionsTooLarge);
        }
        Ok(State::Extension)
    }

    fn trailer_byte(&mut self, byte: u8, limits: &Limits) -> Result<State, Fault> {
        self.trailers += 1;
        if self.trailers > limits.trailer_bytes {
            return Err(Fault::TrailersTooLarge);
        }
        match (self.state, byte) {
            (State::FieldStart, b'\r') => Ok(State::EndLf),
            (State::FieldStart, b' ' | b'\t') => Err(Fault::FoldedLine),
            (State::FieldStart, _) => self.trailer_begins(byte, limits),
            (State::FieldName, b':') => Ok(State::FieldValue),
            (State::FieldName, b' ' | b'\t') => Err(Fault::SpaceBeforeColon),
            (State::FieldName, b'\r') => Err(Fault::ColonMissing),
            (State::FieldName, _) => self.name_byte(byte, limits),
            (State::FieldValue, b'\r') => Ok(State::FieldLf),
            (State::FieldValue, _) if octets::class(byte) & VALUE != 0 => Ok(State::FieldValue),
            (State::FieldValue, b'\n') => Err(Fault::BareLf),
            (State::FieldValue, _) => Err(Fault::FieldValue),
            (State::FieldLf, b'\n') => Ok(State::FieldStart),
            (State::EndLf, b'\n') => Ok(State::End),
            _ => Err(Fault::BareCr),
        }
    }

    fn trailer_begins(&mut self, byte: u8, limits: &Limits) -> Result<State, Fault> {
        self.fields += 1;
        if self.fields > limits.headers {
            return Err(Fault::TooManyFields);
        }
        self.element = 0;
        self.name_byte(byte, limits)
    }

    fn name_byte(&mut self, byte: u8, limits: &Limits) -> Result<State, Fault> {
        self.element += 1;
        if byte == b'\n' {
            return Err(Fault::BareLf);
        }
        if octets::class(byte) & TOKEN == 0 {
            return Err(Fault::FieldName);
        }
        if self.element > limits.name_bytes {
            return Err(Fault::FieldNameTooLong);
        }
        Ok(State::FieldName)
    }
}
