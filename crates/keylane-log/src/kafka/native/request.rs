//! Makes a request, waits for its answer, and copies what the answer holds.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::bindings as native;
use rdkafka::error::RDKafkaErrorCode;

use crate::kafka::client::Watch;
use crate::kafka::timeouts::CALL_TIMEOUT;

/// The longest sentence of librdkafka about an argument that it does not take, in bytes.
pub(super) const MAX_SENTENCE: usize = 512;

/// Why a request failed.
#[derive(Debug)]
pub(in crate::kafka) enum RequestError {
    /// The brokers, or librdkafka itself, refused it: the code, and the reason as a sentence.
    Refused(RDKafkaErrorCode, String),
    /// There was no answer, or none that could be read.
    Failed(RDKafkaErrorCode),
}

/// The result of a request.
pub(in crate::kafka) type Answer<T> = Result<T, RequestError>;

/// An object that librdkafka handed over, to be freed here.
pub(in crate::kafka) struct Owned<T> {
    native: *mut T,
    free: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// # Safety
    /// `native` must be null, or an object that `free` frees and that nobody else does.
    pub(in crate::kafka) unsafe fn new(native: *mut T, free: unsafe extern "C" fn(*mut T)) -> Self {
        Self { native, free }
    }

    /// The object itself; null if librdkafka gave none. It lives as long as this does.
    pub(in crate::kafka) fn get(&self) -> *mut T {
        self.native
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !self.native.is_null() {
            // SAFETY: librdkafka made the object, and it is freed nowhere else.
            unsafe { (self.free)(self.native) }
        }
    }
}

/// The result event of a request.
pub(in crate::kafka) type Event = Owned<native::rd_kafka_event_t>;

/// What a request is sent with.
pub(in crate::kafka) struct Sending {
    pub(in crate::kafka) client: *mut native::rd_kafka_t,
    pub(in crate::kafka) options: *const native::rd_kafka_AdminOptions_t,
    /// The queue that the result event comes from.
    pub(in crate::kafka) queue: *mut native::rd_kafka_queue_t,
}

/// Makes a request and waits for its result event, whose own error is reported here.
///
/// # Safety
/// `send` must make one request of the kind `operation`, with all that it is given, and nothing else.
pub(in crate::kafka) unsafe fn ask(
    admin: &AdminClient<Watch>,
    operation: native::rd_kafka_admin_op_t,
    send: impl FnOnce(&Sending),
) -> Result<Event, RDKafkaErrorCode> {
    let client = admin.inner().native_ptr();
    let timeout = CALL_TIMEOUT.as_millis() as c_int;
    unsafe {
        let queue = Owned::new(native::rd_kafka_queue_new(client), native::rd_kafka_queue_destroy);
        let options = Owned::new(
            native::rd_kafka_AdminOptions_new(client, operation),
            native::rd_kafka_AdminOptions_destroy,
        );
        native::rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout, ptr::null_mut(), 0);
        if waits_for_brokers(operation) {
            native::rd_kafka_AdminOptions_set_operation_timeout(options.get(), timeout, ptr::null_mut(), 0);
        }
        send(&Sending {
            client,
            options: options.get(),
            queue: queue.get(),
        });
        // The request has the shorter timeout, so that its own error is received.
        let patience = CALL_TIMEOUT + Duration::from_secs(1);
        let event = native::rd_kafka_queue_poll(queue.get(), patience.as_millis() as c_int);
        let event = Owned::new(event, native::rd_kafka_event_destroy);
        if event.get().is_null() {
            return Err(RDKafkaErrorCode::OperationTimedOut);
        }
        match native::rd_kafka_event_error(event.get()).into() {
            RDKafkaErrorCode::NoError => Ok(event),
            code => Err(code),
        }
    }
}

/// Whether the brokers may be told how long to wait until the request has taken effect everywhere.
fn waits_for_brokers(operation: native::rd_kafka_admin_op_t) -> bool {
    use native::rd_kafka_admin_op_t as O;
    matches!(
        operation,
        O::RD_KAFKA_ADMIN_OP_CREATETOPICS | O::RD_KAFKA_ADMIN_OP_DELETETOPICS | O::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS
    )
}

/// Calls librdkafka with room for a sentence about what it does not take, and returns that sentence if it gives none of
/// what it was asked for.
pub(super) fn made<T>(make: impl FnOnce(*mut c_char, usize) -> *mut T) -> Answer<*mut T> {
    let mut sentence: [c_char; MAX_SENTENCE] = [0; MAX_SENTENCE];
    let made = make(sentence.as_mut_ptr(), MAX_SENTENCE);
    if !made.is_null() {
        return Ok(made);
    }
    // SAFETY: librdkafka ends the sentence with a zero byte within its room, and there was one before.
    let sentence = unsafe { text(sentence.as_ptr()) };
    Err(RequestError::Refused(RDKafkaErrorCode::InvalidArgument, sentence))
}

/// A name for librdkafka.
pub(in crate::kafka) fn name(text: &str) -> Answer<CString> {
    CString::new(text).map_err(|_| {
        let sentence = format!("{text:?} holds a zero byte, which no name may");
        RequestError::Refused(RDKafkaErrorCode::InvalidArgument, sentence)
    })
}

/// A copy of a text; empty if there is none.
///
/// # Safety
/// `native` must be null or point to a text that ends with a zero byte.
pub(in crate::kafka) unsafe fn text(native: *const c_char) -> String {
    if native.is_null() {
        return String::new();
    }
    unsafe { CStr::from_ptr(native) }.to_string_lossy().into_owned()
}

/// The elements of an array of librdkafka.
///
/// # Safety
/// `first` must be null, or point to `count` elements that live as long as what is borrowed.
pub(super) unsafe fn elements<'a, T>(first: *const T, count: usize) -> &'a [T] {
    match first.is_null() {
        true => &[],
        false => unsafe { std::slice::from_raw_parts(first, count) },
    }
}
