//! What findings call the services.

use shop::domain::Source;
use shop::text;
use shop::text::Text;

/// The name of the service that keeps these rows.
pub fn service(source: Source) -> Text {
    match source {
        Source::Orders => text!("order service", "주문 서비스"),
        Source::Deliveries => text!("delivery service", "배송 서비스"),
    }
}
