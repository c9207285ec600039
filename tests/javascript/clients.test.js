// The SDK for JavaScript, unmodified, against the real program.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';

import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStacksCommand,
  paginateDescribeStackEvents,
  waitUntilStackCreateComplete,
} from '@aws-sdk/client-cloudformation';
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  FilterLogEventsCommand,
  PutLogEventsCommand,
  ResourceAlreadyExistsException,
  ResourceNotFoundException as NoSuchGroup,
  paginateFilterLogEvents,
} from '@aws-sdk/client-cloudwatch-logs';
import {
  DescribeRuleCommand,
  EventBridgeClient,
  InvalidEventPatternException,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
  ResourceNotFoundException as NoSuchRule,
} from '@aws-sdk/client-eventbridge';
import { CreateRoleCommand, EntityAlreadyExistsException, IAMClient, NoSuchEntityException, GetRoleCommand } from '@aws-sdk/client-iam';
import {
  AddPermissionCommand,
  CreateFunctionCommand,
  InvokeCommand,
  LambdaClient,
  PutFunctionConcurrencyCommand,
  ResourceNotFoundException as NoSuchFunction,
  TooManyRequestsException,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import { CreateBucketCommand, GetObjectCommand, HeadObjectCommand, NoSuchKey, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { Upload } from '@aws-sdk/lib-storage';

import { compileBootstrap, start, until } from './program.js';

let server;
let events;
let lambda;
let logs;
let s3;
let iam;
let cloudformation;
let functionArn;

before(async () => {
  server = await start();
  events = new EventBridgeClient(server.client);
  lambda = new LambdaClient(server.client);
  logs = new CloudWatchLogsClient(server.client);
  s3 = new S3Client(server.client);
  iam = new IAMClient(server.client);
  cloudformation = new CloudFormationClient(server.client);

  const trust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }] };
  const { Role } = await iam.send(new CreateRoleCommand({ RoleName: 'plain', AssumeRolePolicyDocument: JSON.stringify(trust) }));
  const settings = { Runtime: 'provided.al2023', Role: Role.Arn, Code: { ZipFile: compileBootstrap(server.folder) } };
  for (const Handler of ['print', 'echo', 'fail']) {
    const created = await lambda.send(new CreateFunctionCommand({ FunctionName: Handler, Handler, ...settings }));
    await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 30 }, { FunctionName: Handler });
    if (Handler === 'print') functionArn = created.FunctionArn;
  }
});

after(async () => {
  assert.equal(await server.stop(), 0);
});

test('the caller is the account', async () => {
  const { Arn } = await new STSClient(server.client).send(new GetCallerIdentityCommand({}));
  assert.equal(Arn, 'arn:aws:iam::000000000000:root');
});

test('an event reaches its function and its log', async () => {
  const rule = await events.send(new PutRuleCommand({ Name: 'flow', EventPattern: JSON.stringify({ source: ['javascript'] }) }));
  await lambda.send(
    new AddPermissionCommand({
      FunctionName: 'print',
      StatementId: 'flow',
      Action: 'lambda:InvokeFunction',
      Principal: 'events.amazonaws.com',
      SourceArn: rule.RuleArn,
    }),
  );
  const put = await events.send(new PutTargetsCommand({ Rule: 'flow', Targets: [{ Id: '1', Arn: functionArn }] }));
  assert.equal(put.FailedEntryCount, 0);
  const Detail = JSON.stringify({ amount: 12.5, note: 'ñ' });
  const answer = await events.send(
    new PutEventsCommand({ Entries: [{ Source: 'javascript', DetailType: 't', Detail, Time: new Date(0) }, { Source: 'javascript', DetailType: 't', Detail: '{' }] }),
  );
  assert.equal(answer.FailedEntryCount, 1);
  assert.equal(answer.Entries[1].ErrorCode, 'MalformedDetail');

  const found = await until(async () => {
    try {
      const page = await logs.send(new FilterLogEventsCommand({ logGroupName: '/aws/lambda/print', filterPattern: '{ $.source = "javascript" }' }));
      return page.events.length ? page.events : null;
    } catch (error) {
      if (error instanceof NoSuchGroup) return null;
      throw error;
    }
  }, 'the event in the log');
  const event = JSON.parse(found[0].message);
  assert.equal(event.id, answer.Entries[0].EventId);
  assert.equal(event.time, '1970-01-01T00:00:00Z');
  assert.deepEqual(event.detail, { amount: 12.5, note: 'ñ' });
});

test('an invocation answers with its payload and its log', async () => {
  const answer = await lambda.send(new InvokeCommand({ FunctionName: 'echo', Payload: '{"a":"ñ"}', LogType: 'Tail' }));
  assert.equal(answer.Payload.transformToString(), '{"a":"ñ"}');
  assert.match(Buffer.from(answer.LogResult, 'base64').toString(), /REPORT RequestId: /);
  const failed = await lambda.send(new InvokeCommand({ FunctionName: 'fail' }));
  assert.equal(failed.FunctionError, 'Unhandled');
  assert.equal(JSON.parse(failed.Payload.transformToString()).errorType, 'Test.Failure');
});

test('errors are of the classes of the SDK', async () => {
  await assert.rejects(lambda.send(new InvokeCommand({ FunctionName: 'nobody' })), NoSuchFunction);
  await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName: 'fail', ReservedConcurrentExecutions: 0 }));
  await assert.rejects(lambda.send(new InvokeCommand({ FunctionName: 'fail' })), (error) => {
    assert.ok(error instanceof TooManyRequestsException);
    assert.equal(error.Reason, 'ReservedFunctionConcurrentInvocationLimitExceeded');
    assert.equal(error.$metadata.httpStatusCode, 429);
    assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
    return true;
  });
  await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName: 'fail', ReservedConcurrentExecutions: 1 }));
  await assert.rejects(events.send(new DescribeRuleCommand({ Name: 'nobody' })), NoSuchRule);
  await assert.rejects(events.send(new PutRuleCommand({ Name: 'bad', EventPattern: '{' })), InvalidEventPatternException);
  await assert.rejects(logs.send(new FilterLogEventsCommand({ logGroupName: 'nobody' })), NoSuchGroup);
  await assert.rejects(iam.send(new GetRoleCommand({ RoleName: 'nobody' })), NoSuchEntityException);
  await assert.rejects(iam.send(new CreateRoleCommand({ RoleName: 'plain', AssumeRolePolicyDocument: '{}' })), (error) =>
    error instanceof EntityAlreadyExistsException || error.name === 'MalformedPolicyDocumentException');
  await assert.rejects(cloudformation.send(new DescribeStacksCommand({ StackName: 'nobody' })), (error) => {
    assert.equal(error.name, 'ValidationError');
    assert.equal(error.message, 'Stack with id nobody does not exist');
    return true;
  });
});

test('log events are filtered page by page', async () => {
  const group = { logGroupName: 'pages' };
  await logs.send(new CreateLogGroupCommand(group));
  await assert.rejects(logs.send(new CreateLogGroupCommand(group)), ResourceAlreadyExistsException);
  await logs.send(new CreateLogStreamCommand({ ...group, logStreamName: 's' }));
  const timestamp = Date.now();
  const logEvents = Array.from({ length: 25 }, (_, n) => ({ timestamp: timestamp + n, message: `line ${n}` }));
  await logs.send(new PutLogEventsCommand({ ...group, logStreamName: 's', logEvents }));
  const messages = [];
  for await (const page of paginateFilterLogEvents({ client: logs, pageSize: 10 }, { ...group, filterPattern: 'line' })) {
    messages.push(...page.events.map((event) => event.message));
  }
  assert.deepEqual(messages, logEvents.map((event) => event.message));
});

test('objects go up and down as streams', async () => {
  const Bucket = 'streams';
  await s3.send(new CreateBucketCommand({ Bucket }));
  const content = randomBytes(3_000_000);
  const file = join(server.folder, 'content');
  writeFileSync(file, content);
  // A stream goes in chunks with its checksum in a trailer.
  await s3.send(new PutObjectCommand({ Bucket, Key: 'a/ñ b', Body: createReadStream(file), ContentType: 'text/x', Metadata: { who: 'me' } }));
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'a/ñ b', ChecksumMode: 'ENABLED' }));
  assert.deepEqual(Buffer.from(await got.Body.transformToByteArray()), content);
  assert.deepEqual([got.ContentType, got.Metadata.who], ['text/x', 'me']);
  assert.ok(got.ChecksumCRC32);
  const part = await s3.send(new GetObjectCommand({ Bucket, Key: 'a/ñ b', Range: 'bytes=10-19' }));
  assert.deepEqual(Buffer.from(await part.Body.transformToByteArray()), content.subarray(10, 20));
  await s3.send(new PutObjectCommand({ Bucket, Key: 'text', Body: 'content' }));
  assert.equal(await (await s3.send(new GetObjectCommand({ Bucket, Key: 'text' }))).Body.transformToString(), 'content');
  await assert.rejects(s3.send(new GetObjectCommand({ Bucket, Key: 'nothing' })), NoSuchKey);
});

test('a stream of unknown length goes up in parts', async () => {
  const Bucket = 'parts';
  await s3.send(new CreateBucketCommand({ Bucket }));
  const pieces = Array.from({ length: 11 }, () => randomBytes(1_000_000));
  await new Upload({ client: s3, params: { Bucket, Key: 'large', Body: Readable.from(pieces) } }).done();
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'large' }));
  assert.equal(head.ContentLength, 11_000_000);
  assert.match(head.ETag, /-3"$/);
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'large' }));
  assert.deepEqual(Buffer.from(await got.Body.transformToByteArray()), Buffer.concat(pieces));
});

test('a stack is created, waited for and described', async () => {
  const TemplateBody = JSON.stringify({
    Resources: { Group: { Type: 'AWS::Logs::LogGroup', Properties: { RetentionInDays: 7 } } },
    Outputs: { Name: { Value: { Ref: 'Group' } } },
  });
  await cloudformation.send(new CreateStackCommand({ StackName: 'javascript', TemplateBody }));
  await waitUntilStackCreateComplete({ client: cloudformation, maxWaitTime: 60 }, { StackName: 'javascript' });
  const { Stacks } = await cloudformation.send(new DescribeStacksCommand({ StackName: 'javascript' }));
  assert.match(Stacks[0].Outputs[0].OutputValue, /^javascript-Group-/);
  assert.ok(Stacks[0].CreationTime instanceof Date);
  const statuses = [];
  for await (const page of paginateDescribeStackEvents({ client: cloudformation }, { StackName: 'javascript' })) {
    statuses.push(...page.StackEvents.map((event) => `${event.LogicalResourceId} ${event.ResourceStatus}`));
  }
  assert.deepEqual(statuses.slice(0, 2), ['javascript CREATE_COMPLETE', 'Group CREATE_COMPLETE']);
});

test('a wrong secret is refused', async () => {
  const wrong = { ...server.client, credentials: { accessKeyId: 'test', secretAccessKey: 'wrong' } };
  await assert.rejects(new EventBridgeClient(wrong).send(new DescribeRuleCommand({ Name: 'flow' })), { name: 'InvalidSignatureException' });
  await assert.rejects(new S3Client(wrong).send(new CreateBucketCommand({ Bucket: 'wrong' })), { name: 'SignatureDoesNotMatch' });
});
