-- The command side in PostgreSQL.
CREATE TABLE client (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL
);
CREATE TABLE product (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    price_cents BIGINT NOT NULL CHECK (price_cents >= 0),
    -- What is there, and how much of it confirmed orders are waiting for.
    stock BIGINT NOT NULL,
    reserved BIGINT NOT NULL DEFAULT 0,
    CHECK (reserved >= 0 AND stock >= reserved)
);
CREATE TABLE "order" (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id_client BIGINT NOT NULL REFERENCES client (id),
    total_cents BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('received', 'confirmed', 'rejected')),
    placed_at_ms BIGINT NOT NULL,
    idempotency_key TEXT UNIQUE
);
CREATE TABLE order_item (
    id_order BIGINT NOT NULL REFERENCES "order" (id),
    id_product BIGINT NOT NULL REFERENCES product (id),
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    price_cents BIGINT NOT NULL,
    PRIMARY KEY (id_order, id_product)
);
-- The outbox. A row is published whenever it is due, and removed once its event is counted.
CREATE TABLE order_event (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE DEFAULT replace(gen_random_uuid()::text, '-', ''),
    id_order BIGINT NOT NULL REFERENCES "order" (id),
    payload TEXT NOT NULL,
    due_at_ms BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX order_event_due ON order_event (due_at_ms);
-- What has left the stock: each product of an order once.
CREATE TABLE stock_movement (
    id_order BIGINT NOT NULL,
    id_product BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    PRIMARY KEY (id_order, id_product),
    FOREIGN KEY (id_order, id_product) REFERENCES order_item (id_order, id_product)
);
CREATE TABLE schema_version (version BIGINT NOT NULL);
INSERT INTO schema_version (version) VALUES (1);
-- Log tailing: the commit itself wakes whoever listens. Notifications of one transaction with the same payload are one.
CREATE FUNCTION tell_of_order_events() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY order_event; RETURN NULL; END $$;
CREATE TRIGGER order_event_told AFTER INSERT ON order_event FOR EACH STATEMENT EXECUTE FUNCTION tell_of_order_events();
