// DynamoDB with the SDK for JavaScript: the client of plain values and the document client above it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import {
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  DynamoDBServiceException,
  GetItemCommand,
  IdempotentParameterMismatchException,
  PutItemCommand,
  QueryCommand,
  ResourceInUseException,
  ResourceNotFoundException,
  TransactGetItemsCommand,
  TransactWriteItemsCommand,
  TransactionCanceledException,
  UpdateItemCommand,
  UpdateTableCommand,
  paginateListTables,
  waitUntilTableExists,
  waitUntilTableNotExists,
} from '@aws-sdk/client-dynamodb';
import {
  BatchGetCommand,
  BatchWriteCommand,
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand as DocumentQueryCommand,
  ScanCommand,
  TransactGetCommand,
  TransactWriteCommand,
  UpdateCommand,
  paginateQuery,
  paginateScan,
} from '@aws-sdk/lib-dynamodb';

import { start, until } from './program.js';

let server;
let client;
let documents;

const attributes = (kinds) => Object.entries(kinds).map(([AttributeName, AttributeType]) => ({ AttributeName, AttributeType }));
const keys = (...names) => names.map((AttributeName, n) => ({ AttributeName, KeyType: n === 0 ? 'HASH' : 'RANGE' }));
const BY_G = { IndexName: 'by-g', KeySchema: keys('g'), Projection: { ProjectionType: 'ALL' } };
const PLAIN = { KeySchema: keys('p'), AttributeDefinitions: attributes({ p: 'S' }), BillingMode: 'PAY_PER_REQUEST' };

before(async () => {
  server = await start();
  client = new DynamoDBClient(server.client);
  documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  await client.send(new CreateTableCommand({ TableName: 'plain', ...PLAIN }));
  await client.send(
    new CreateTableCommand({
      TableName: 'sorted',
      KeySchema: keys('p', 's'),
      AttributeDefinitions: attributes({ p: 'S', s: 'N', g: 'S' }),
      GlobalSecondaryIndexes: [BY_G],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
  await waitUntilTableExists({ client, maxWaitTime: 30 }, { TableName: 'sorted' });
});

after(async () => {
  assert.equal(await server.stop(), 0);
});

test('a table comes, is listed, changes and goes', async () => {
  const made = await client.send(new CreateTableCommand({ TableName: 'passing', ...PLAIN }));
  assert.equal(made.TableDescription.TableStatus, 'CREATING');
  assert.ok(made.TableDescription.CreationDateTime instanceof Date);
  await waitUntilTableExists({ client, maxWaitTime: 30 }, { TableName: 'passing' });
  await assert.rejects(client.send(new CreateTableCommand({ TableName: 'passing', ...PLAIN })), ResourceInUseException);
  const names = [];
  for await (const page of paginateListTables({ client, pageSize: 1 }, {})) names.push(...page.TableNames);
  assert.deepEqual(names, ['passing', 'plain', 'sorted']);
  const update = { AttributeDefinitions: attributes({ g: 'S' }), GlobalSecondaryIndexUpdates: [{ Create: BY_G }] };
  await client.send(new UpdateTableCommand({ TableName: 'passing', ...update }));
  await until(async () => {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: 'passing' }));
    return Table.GlobalSecondaryIndexes[0].IndexStatus === 'ACTIVE';
  }, 'the index');
  await client.send(new DeleteTableCommand({ TableName: 'passing' }));
  await waitUntilTableNotExists({ client, maxWaitTime: 30 }, { TableName: 'passing' });
  await assert.rejects(client.send(new DescribeTableCommand({ TableName: 'passing' })), ResourceNotFoundException);
});

const VALUES = {
  'a text': 'ñ𝄞',
  'an empty text': '',
  'a number': -12.5,
  'a large number': 9007199254740993n,
  'bytes': new Uint8Array([0, 255]),
  'truth': false,
  'null': null,
  'a list': ['a', 1, [null, { deep: true }]],
  'a map': { a: 1, b: { c: ['d'] } },
  'an empty list': [],
  'an empty map': {},
  'texts': new Set(['a', 'b']),
  'numbers': new Set([1, 2.5]),
  'sets of bytes': new Set([new Uint8Array([1]), new Uint8Array([2])]),
};
for (const [what, value] of Object.entries(VALUES)) {
  test(`${what}: a document comes back as it was put`, async () => {
    const Key = { p: `value ${what}` };
    await documents.send(new PutCommand({ TableName: 'plain', Item: { ...Key, value } }));
    const { Item } = await documents.send(new GetCommand({ TableName: 'plain', Key, ConsistentRead: true }));
    assert.deepEqual(Item, { ...Key, value });
    const condition = {
      ConditionExpression: '#v = :v',
      ExpressionAttributeNames: { '#v': 'value' },
      ExpressionAttributeValues: { ':v': value },
    };
    const gone = await documents.send(new DeleteCommand({ TableName: 'plain', Key, ...condition, ReturnValues: 'ALL_OLD' }));
    assert.deepEqual(gone.Attributes, { ...Key, value });
  });
}

const UPDATES = {
  'SET n = n + :one': { n: 2 },
  'ADD n :one': { n: 2 },
  'SET l[1] = :one, m.x = :one': { l: ['a', 1], m: { x: 1, y: 'z' } },
  'REMOVE l[0], m.y': { l: ['b'], m: {} },
  'SET l = list_append(l, :list)': { l: ['a', 'b', 'c'] },
  'SET z = if_not_exists(n, :one)': { z: 1 },
  'ADD tags :tags': { tags: new Set(['red', 'blue']) },
  'DELETE tags :tags': { tags: undefined },
};
const OPERANDS = { ':one': 1, ':list': ['c'], ':tags': new Set(['blue', 'red']) };
for (const [UpdateExpression, expected] of Object.entries(UPDATES)) {
  test(`${UpdateExpression}: a document is updated`, async () => {
    const Key = { p: `update ${UpdateExpression}` };
    const before = { n: 1, l: ['a', 'b'], m: { y: 'z' }, tags: new Set(['red']) };
    await documents.send(new PutCommand({ TableName: 'plain', Item: { ...Key, ...before } }));
    const used = Object.entries(OPERANDS).filter(([name]) => UpdateExpression.includes(name));
    const more = used.length ? { ExpressionAttributeValues: Object.fromEntries(used) } : {};
    const { Attributes } = await documents.send(
      new UpdateCommand({ TableName: 'plain', Key, UpdateExpression, ...more, ReturnValues: 'ALL_NEW' }),
    );
    const all = Object.entries({ ...Key, ...before, ...expected }).filter(([, value]) => value !== undefined);
    assert.deepEqual(Attributes, Object.fromEntries(all));
  });
}

test('queries and scans go page by page, forward and backward', async () => {
  const items = Array.from({ length: 23 }, (_, s) => ({ p: 'pages', s, g: s % 2 ? 'odd' : 'even' }));
  await documents.send(new BatchWriteCommand({ RequestItems: { sorted: items.map((Item) => ({ PutRequest: { Item } })) } }));
  const query = {
    TableName: 'sorted',
    KeyConditionExpression: 'p = :p AND s >= :s',
    ExpressionAttributeValues: { ':p': 'pages', ':s': 3 },
  };
  for (const ScanIndexForward of [true, false]) {
    const found = [];
    for await (const page of paginateQuery({ client: documents, pageSize: 4 }, { ...query, ScanIndexForward })) {
      found.push(...page.Items.map((item) => item.s));
    }
    const expected = items.slice(3).map((item) => item.s);
    assert.deepEqual(found, ScanIndexForward ? expected : expected.reverse());
  }
  const odd = {
    TableName: 'sorted',
    IndexName: 'by-g',
    KeyConditionExpression: 'g = :g',
    ExpressionAttributeValues: { ':g': 'odd' },
  };
  const { Count } = await documents.send(new DocumentQueryCommand({ ...odd, Select: 'COUNT' }));
  assert.equal(Count, 11);
  let scanned = 0;
  for (const Segment of [0, 1, 2]) {
    const input = { TableName: 'sorted', Segment, TotalSegments: 3 };
    for await (const page of paginateScan({ client: documents, pageSize: 5 }, input)) scanned += page.Count;
  }
  assert.equal(scanned, 23);
  const small = { TableName: 'sorted', FilterExpression: 's < :s', ExpressionAttributeValues: { ':s': 5 } };
  const filtered = await documents.send(new ScanCommand(small));
  assert.deepEqual([filtered.Count, filtered.ScannedCount], [5, 23]);
  const Keys = [{ p: 'pages', s: 1 }, { p: 'pages', s: 99 }];
  const read = await documents.send(new BatchGetCommand({ RequestItems: { sorted: { Keys, ProjectionExpression: 'g' } } }));
  assert.deepEqual(read.Responses, { sorted: [{ g: 'odd' }] });
});

test('a transaction is all or nothing, and once', async () => {
  const Put = { TableName: 'plain', Item: { p: 'transaction', n: 1 }, ConditionExpression: 'attribute_not_exists(p)' };
  const Update = {
    TableName: 'plain',
    Key: { p: 'count' },
    UpdateExpression: 'ADD n :n',
    ExpressionAttributeValues: { ':n': 1 },
  };
  const request = { TransactItems: [{ Put }, { Update }], ClientRequestToken: 'once' };
  await documents.send(new TransactWriteCommand(request));
  await documents.send(new TransactWriteCommand(request));
  const other = { ...request, TransactItems: [{ Update }] };
  await assert.rejects(documents.send(new TransactWriteCommand(other)), IdempotentParameterMismatchException);
  const again = { ...Put, ReturnValuesOnConditionCheckFailure: 'ALL_OLD' };
  const failing = new TransactWriteCommand({ TransactItems: [{ Update }, { Put: again }] });
  await assert.rejects(documents.send(failing), (error) => {
    assert.ok(error instanceof TransactionCanceledException);
    assert.deepEqual(error.CancellationReasons.map((reason) => reason.Code), ['None', 'ConditionalCheckFailed']);
    assert.deepEqual(error.CancellationReasons[1].Item, { p: { S: 'transaction' }, n: { N: '1' } });
    return true;
  });
  const Gets = [{ Get: { TableName: 'plain', Key: { p: 'count' } } }, { Get: { TableName: 'plain', Key: { p: 'nobody' } } }];
  const { Responses } = await documents.send(new TransactGetCommand({ TransactItems: Gets }));
  assert.deepEqual(Responses, [{ Item: { p: 'count', n: 1 } }, {}]);
});

test('a condition that fails shows the item', async () => {
  const Item = { p: { S: 'condition' }, n: { N: '1' } };
  await client.send(new PutItemCommand({ TableName: 'plain', Item }));
  const again = new PutItemCommand({
    TableName: 'plain',
    Item,
    ConditionExpression: 'attribute_not_exists(p)',
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  });
  await assert.rejects(client.send(again), (error) => {
    assert.ok(error instanceof ConditionalCheckFailedException);
    assert.equal(error.message, 'The conditional request failed');
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.deepEqual(error.Item, Item);
    return true;
  });
});

const INVALID = 'One or more parameter values were invalid: ';
const TABLE = { TableName: 'plain' };
const KEY = { p: { S: 'x' } };
const REFUSED = [
  [new PutItemCommand({ ...TABLE, Item: {} }), `${INVALID}Missing the key p in the item`],
  [new PutItemCommand({ ...TABLE, Item: { p: { N: '1' } } }), `${INVALID}Type mismatch for key p expected: S actual: N`],
  [new PutItemCommand({ ...TABLE, Item: { ...KEY, a: { SS: [] } } }), `${INVALID}An string set  may not be empty`],
  [
    new PutItemCommand({ ...TABLE, Item: { ...KEY, a: { N: 'dog' } } }),
    'The parameter cannot be converted to a numeric value: dog',
  ],
  [new PutItemCommand({ ...TABLE, Item: KEY, ReturnValues: 'ALL_NEW' }), 'ReturnValues can only be ALL_OLD or NONE'],
  [
    new PutItemCommand({ ...TABLE, Item: { ...KEY, a: { B: new Uint8Array(400 * 1024) } } }),
    'Item size has exceeded the maximum allowed size',
  ],
  [new GetItemCommand({ ...TABLE, Key: { q: { S: 'x' } } }), 'The provided key element does not match the schema'],
  [
    new GetItemCommand({ ...TABLE, Key: KEY, ProjectionExpression: 'status' }),
    'Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: status',
  ],
  [
    new UpdateItemCommand({ ...TABLE, Key: KEY, UpdateExpression: 'SET p = :v', ExpressionAttributeValues: { ':v': KEY.p } }),
    `${INVALID}Cannot update attribute p. This attribute is part of the key`,
  ],
  [
    new UpdateItemCommand({ ...TABLE, Key: KEY, UpdateExpression: 'SET a = :v' }),
    'Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute value: :v',
  ],
  [
    new QueryCommand({ ...TABLE, KeyConditionExpression: 'p > :p', ExpressionAttributeValues: { ':p': { S: 'x' } } }),
    'Query key condition not supported',
  ],
  [new BatchWriteItemCommand({ RequestItems: {} }), 'The requestItems parameter is required for BatchWriteItem'],
  [
    new BatchWriteItemCommand({ RequestItems: { plain: [{ PutRequest: { Item: KEY } }, { DeleteRequest: { Key: KEY } }] } }),
    'Provided list of item keys contains duplicates',
  ],
  [
    new TransactWriteItemsCommand({ TransactItems: [{ Put: { ...TABLE, Item: KEY } }, { Delete: { ...TABLE, Key: KEY } }] }),
    'Transaction request cannot include multiple operations on one item',
  ],
  [
    new TransactGetItemsCommand({ TransactItems: [] }),
    "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: " +
      'Member must have length greater than or equal to 1',
  ],
];
for (const [command, message] of REFUSED) {
  test(`${command.constructor.name} is refused: ${message}`, async () => {
    await assert.rejects(client.send(command), (error) => {
      assert.ok(error instanceof DynamoDBServiceException);
      assert.deepEqual([error.name, error.message, error.$metadata.httpStatusCode], ['ValidationException', message, 400]);
      return true;
    });
  });
}
