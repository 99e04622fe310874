'use strict';
// haar's runtime for Node.js functions: waits, is given its work, polls the Runtime API.
//
// Started ahead of its work, it reads its environment (JSON) from the descriptor
// HAAR_ASSIGN_FD to its end; then it loads the handler and serves invocations.
// A 0x1E byte in the output stands for a line break inside one log event.

const fs = require('fs');
const net = require('net');
const path = require('path');
const { pathToFileURL } = require('url');
const util = require('util');
const { Writable } = require('stream');
require('module');
require('http'); // what the first invocation needs is loaded while we wait
require('https');
require('crypto');

const API = '/2018-06-01/runtime/';
const INNER_BREAK = '\x1e';
// AWS's own marks: wrappers (tracers, middleware) look for them and set them themselves.
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';

let requestId;
let jsonLogs = false;

/** One kept connection to the Runtime API; requests may be sent ahead of answers. */
class Link {
  constructor(address) {
    this.address = address;
    const at = address.lastIndexOf(':');
    this.socket = net.connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)) });
    this.socket.setNoDelay(true);
    this.chunks = [];
    this.length = 0;
    this.waiting = [];
    this.socket.on('data', (chunk) => this.receive(chunk));
    this.socket.on('error', () => process.exit(0)); // the platform is gone
    this.socket.on('close', () => process.exit(0));
  }

  get(what) {
    return `GET ${API}${what} HTTP/1.1\r\nHost: ${this.address}\r\n\r\n`;
  }

  post(what, body, extra) {
    const length = Buffer.byteLength(body);
    return `POST ${API}${what} HTTP/1.1\r\nHost: ${this.address}\r\n${extra}` +
      `Content-Length: ${length}\r\n\r\n${body}`;
  }

  send(data) {
    this.socket.write(data);
  }

  /** Resolves with the next answer that was not yet taken. */
  answer() {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.socket.ref();
      this.parse();
    });
  }

  receive(chunk) {
    this.chunks.push(chunk);
    this.length += chunk.length;
    if (this.need === undefined || this.length >= this.need) this.parse();
  }

  parse() {
    while (this.waiting.length && this.length) {
      const data = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks);
      this.chunks = [data];
      const end = data.indexOf('\r\n\r\n');
      if (end < 0) return;
      const lines = data.latin1Slice(0, end).split('\r\n');
      const headers = {};
      for (let i = 1; i < lines.length; i++) {
        const colon = lines[i].indexOf(': ');
        headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 2);
      }
      const need = end + 4 + Number(headers['content-length'] || 0);
      this.need = need;
      if (data.length < need) return;
      this.need = undefined;
      const rest = data.subarray(need);
      this.chunks = rest.length ? [rest] : [];
      this.length = rest.length;
      const body = data.subarray(end + 4, need);
      this.waiting.shift()({ status: Number(lines[0].split(' ')[1]), headers, body });
    }
  }
}

// --- log ---------------------------------------------------------------------------------

const LEVELS = { TRACE: 10, DEBUG: 20, INFO: 30, WARN: 40, ERROR: 50, FATAL: 60 };

function write(text) {
  const line = Buffer.from((text.includes('\n') ? text.replace(/\n/g, INNER_BREAK) : text) + '\n');
  for (let at = 0; at < line.length;) {
    try {
      at += fs.writeSync(1, line, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') return; // nobody reads any more
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function errorFields(error) {
  return {
    errorType: error.name,
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : [],
  };
}

function jsonLine(level, args) {
  const out = { timestamp: new Date().toISOString(), level, requestId };
  if (args.length === 1 && typeof args[0] === 'object' && args[0] !== null) {
    out.message = args[0];
    if (args[0] instanceof Error) Object.assign(out, { message: undefined }, errorFields(args[0]));
  } else {
    out.message = util.format(...args);
    const error = args.find((arg) => arg instanceof Error);
    if (error) Object.assign(out, errorFields(error));
  }
  try {
    return JSON.stringify(out, (_, value) =>
      value instanceof Error ? errorFields(value) : typeof value === 'bigint' ? `${value}` : value);
  } catch {
    return JSON.stringify({ ...out, message: util.format(...args) });
  }
}

function patchConsole() {
  jsonLogs = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
  const threshold = jsonLogs ? LEVELS[process.env.AWS_LAMBDA_LOG_LEVEL] || LEVELS.INFO : 0;
  const logger = (level) => (...args) => {
    if (LEVELS[level] < threshold) return;
    if (jsonLogs) return write(jsonLine(level, args));
    const id = requestId === undefined ? 'undefined' : requestId;
    write(`${new Date().toISOString()}\t${id}\t${level}\t${util.format(...args)}`);
  };
  console.log = console.info = logger('INFO');
  console.warn = logger('WARN');
  console.error = logger('ERROR');
  console.debug = logger('DEBUG');
  console.trace = logger('TRACE');
  console.fatal = logger('FATAL');
}

/** The error document that the caller of the function sees. */
function errorDocument(error) {
  const isError = util.types.isNativeError(error) || error instanceof Error;
  if (!isError) {
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  }
  const trace = typeof error.stack === 'string' ? error.stack.split('\n') : [];
  return { errorType: error.name, errorMessage: error.message, trace };
}

function logError(label, error) {
  const fields = errorDocument(error);
  const more = error !== null && typeof error === 'object' ? { ...error } : {};
  const shown = { errorType: fields.errorType, errorMessage: fields.errorMessage, ...more,
    stack: fields.trace };
  if (jsonLogs) {
    const head = { timestamp: new Date().toISOString(), level: 'ERROR', requestId };
    return write(JSON.stringify({ ...head, message: shown }));
  }
  const id = requestId === undefined ? 'undefined' : requestId;
  write(`${new Date().toISOString()}\t${id}\tERROR\t${label} \t${JSON.stringify(shown)}`);
}

// --- handler -----------------------------------------------------------------------------

function runtimeError(kind, message, cause) {
  const error = new Error(message);
  error.name = kind;
  if (cause && cause.stack) {
    error.stack = `${kind}: ${message}\n` + cause.stack.split('\n').slice(1).join('\n');
  }
  return error;
}

function findFile(base) {
  for (const extension of ['', '.js', '.mjs', '.cjs']) {
    try {
      if (fs.statSync(base + extension).isFile()) return base + extension;
    } catch { /* the next one */ }
  }
  return undefined;
}

/** Node's own search for ES modules knows no NODE_PATH; on AWS they find its packages too. */
function importFile(file) {
  const places = (process.env.NODE_PATH || '').split(':').filter((place) => {
    try {
      return path.basename(place) === 'node_modules' && fs.readdirSync(place).length > 0;
    } catch {
      return false;
    }
  });
  const parents = places.map((place) => pathToFileURL(path.join(path.dirname(place), '_')).href);
  const isSdk = (place) => place === path.join(__dirname, 'node_modules');
  if (parents.length > 0) searchBelow(parents, places.every(isSdk) && bringsSdk());
  return import(pathToFileURL(file).href);
}

/** Whether the function is packaged with the SDK, and so needs none of the host's. */
function bringsSdk() {
  const root = process.env.LAMBDA_TASK_ROOT || '/var/task';
  return fs.existsSync(path.join(root, 'node_modules', '@aws-sdk'));
}

/**
 * Packages that are not found beside a module are looked for beside `parents`; where they are not
 * needed, only by hooks that cost nothing.
 */
function searchBelow(parents, isNeedless) {
  const module = require('module');
  const isPackage = (name) => !/^(?:[./#]|[a-z][a-z0-9+.-]*:)/i.test(name);
  if (module.registerHooks) {
    module.registerHooks({
      resolve(name, context, next) {
        try {
          return next(name, context);
        } catch (error) {
          if (error.code !== 'ERR_MODULE_NOT_FOUND' || !isPackage(name)) throw error;
          for (const parentURL of parents) {
            try {
              return next(name, { ...context, parentURL });
            } catch { /* the next one */ }
          }
          throw error;
        }
      },
    });
  } else if (module.register && !isNeedless) { // hooks of older Nodes have a thread of their own
    const hooks = `
      const parents = ${JSON.stringify(parents)};
      const isPackage = ${isPackage};
      export async function resolve(name, context, next) {
        try {
          return await next(name, context);
        } catch (error) {
          if (error.code !== 'ERR_MODULE_NOT_FOUND' || !isPackage(name)) throw error;
          for (const parentURL of parents) {
            try {
              return await next(name, { ...context, parentURL });
            } catch { /* the next one */ }
          }
          throw error;
        }
      }`;
    module.register('data:text/javascript,' + encodeURIComponent(hooks));
  }
}

async function loadModule(root, module) {
  const file = findFile(path.resolve(root, module));
  try {
    if (file === undefined) return require(require.resolve(module, { paths: [root] }));
    if (file.endsWith('.mjs')) return await importFile(file);
    try {
      return require(file);
    } catch (error) {
      const isModule = error && (error.code === 'ERR_REQUIRE_ESM' ||
        error.code === 'ERR_REQUIRE_ASYNC_MODULE');
      if (!isModule) throw error;
      return await importFile(file);
    }
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw runtimeError('Runtime.UserCodeSyntaxError', `SyntaxError: ${error.message}`, error);
    }
    if (error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND')) {
      throw runtimeError('Runtime.ImportModuleError', `Error: ${error.message}`, error);
    }
    throw error;
  }
}

async function findHandler() {
  const root = process.env.LAMBDA_TASK_ROOT || '/var/task';
  const full = process.env._HANDLER || '';
  const { dir, base } = path.posix.parse(full);
  const name = dir ? base : full;
  const match = /^([^.]*)\.(.*)$/.exec(name);
  if (!match || full.includes('..')) {
    throw runtimeError('Runtime.MalformedHandlerName', full.includes('..')
      ? `'${full}' is not a valid handler name. Use absolute paths when specifying root ` +
        'directories in handler names.'
      : 'Bad handler');
  }
  const module = await loadModule(root, path.posix.join(dir, match[1]));
  const find = (holder) => match[2].split('.')
    .reduce((at, part) => (at === undefined || at === null ? at : at[part]), holder);
  let handler = find(module);
  if (handler === undefined && module.default) handler = find(module.default);
  if (!handler) {
    throw runtimeError('Runtime.HandlerNotFound', `${full} is undefined or not exported`);
  }
  if (typeof handler !== 'function') {
    throw runtimeError('Runtime.HandlerNotFound', `${full} is not a function`);
  }
  refuseCallbacks(handler);
  return handler;
}

/** Whether a handler is marked as one that streams. */
function streams(handler) {
  const mark = handler[STREAMING];
  if (mark === undefined || mark === null || mark === false) return false;
  if (mark === 'response') return true;
  throw runtimeError('Runtime.MalformedStreamingHandler', 'Only response streaming is supported.');
}

/** From Node 24 on AWS takes no handler that names a third parameter, whatever it does with it. */
function refuseCallbacks(handler) {
  const isStreaming = streams(handler);
  const runtime = /nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV || '');
  if (!runtime || Number(runtime[1]) < 24) return;
  if (handler.length < 3 || isStreaming) return;
  throw runtimeError('Runtime.CallbackHandlerDeprecated',
    'ERROR: AWS Lambda has removed support for callback-based function handlers starting with ' +
    'Node.js 24. You need to modify this function to use a supported handler signature to use ' +
    'Node.js 24 or later. For more information see ' +
    'https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.');
}

// --- streaming ---------------------------------------------------------------------------

class ResponseStream extends Writable {
  constructor(link, id, highWaterMark = 1 << 16) {
    super({ highWaterMark, decodeStrings: true });
    this.link = link;
    this.id = id;
    this.contentType = 'application/octet-stream';
    this.begun = false;
  }

  setContentType(type) {
    this.contentType = type;
  }

  begin() {
    if (this.begun) return;
    this.begun = true;
    this.link.send(`POST ${API}invocation/${this.id}/response HTTP/1.1\r\n` +
      `Host: ${this.link.address}\r\nContent-Type: ${this.contentType}\r\n` +
      'Lambda-Runtime-Function-Response-Mode: streaming\r\n' +
      'Transfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type, ' +
      'Lambda-Runtime-Function-Error-Body\r\n\r\n');
  }

  _write(chunk, _, done) {
    this.begin();
    if (!chunk.length) return done();
    this.link.socket.write(`${chunk.length.toString(16)}\r\n`);
    this.link.socket.write(chunk);
    this.link.socket.write('\r\n', () => done());
  }

  _final(done) {
    this.begin();
    this.link.send('0\r\n\r\n');
    done();
  }

  /** Ends a response that had begun when the handler failed. */
  fail(error) {
    const document = JSON.stringify(errorDocument(error));
    const body = Buffer.from(document).toString('base64');
    this.link.send('0\r\nLambda-Runtime-Function-Error-Type: ' +
      `${errorDocument(error).errorType}\r\nLambda-Runtime-Function-Error-Body: ${body}\r\n\r\n`);
  }
}

function offerStreaming() {
  globalThis.awslambda = Object.assign(globalThis.awslambda || {}, {
    streamifyResponse(handler, options) {
      handler[STREAMING] = 'response';
      if (options && typeof options.highWaterMark === 'number') {
        handler[HIGH_WATER] = options.highWaterMark;
      }
      return handler;
    },
    HttpResponseStream: class HttpResponseStream {
      static from(stream, prelude) {
        stream.setContentType(PRELUDE_TYPE);
        stream.write(JSON.stringify(prelude));
        stream.write(Buffer.alloc(8));
        return stream;
      }
    },
  });
}

async function runStreaming(link, handler, event, context) {
  const mark = parseInt(handler[HIGH_WATER], 10); // anybody's, and so anything
  const stream = new ResponseStream(link, requestId, mark >= 0 ? mark : undefined);
  const finished = new Promise((resolve, reject) => {
    stream.once('finish', resolve);
    stream.once('error', reject);
  });
  finished.catch(() => {});
  try {
    await handler(event, stream, context);
    if (!stream.writableEnded) stream.end();
    await finished;
  } catch (error) {
    logError('Invoke Error', error);
    if (!stream.begun) return link.send(errorRequest(link, error));
    stream.fail(error);
  }
}

// --- invocations -------------------------------------------------------------------------

function makeContext(headers, settle) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const parsed = (name) => (headers[name] ? JSON.parse(headers[name]) : undefined);
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed('lambda-runtime-client-context'),
    identity: parsed('lambda-runtime-cognito-identity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: requestId,
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
    succeed: (result) => settle(null, result),
    fail: (error) => settle(error === undefined || error === null ? 'handled' : error),
    done: (error, result) => settle(error, result),
  };
}

/** Calls the handler and resolves when it has answered, by promise or by callback. */
function callHandler(handler, event, headers) {
  return new Promise((resolve, reject) => {
    let settled = false;
    const settle = (error, result, atOnce) => {
      if (settled) return;
      settled = true;
      onIdle = undefined;
      const end = () => (error !== undefined && error !== null ? reject(error) : resolve(result));
      if (atOnce || !context.callbackWaitsForEmptyEventLoop) return end();
      onIdle = end; // the callback's answer waits for the event loop to run empty
      link.socket.unref();
    };
    const context = makeContext(headers, settle);
    onIdle = () => settle(null, null, true); // nothing more can happen: answer null
    link.socket.unref();
    const returned = handler(event, context, (error, result) => settle(error, result));
    if (returned && typeof returned.then === 'function') {
      if (!settled) { // else it has called back already, and its answer waits
        onIdle = undefined;
        link.socket.ref();
      }
      returned.then((result) => settle(null, result, true),
        (error) => settle(error === undefined || error === null ? 'handled' : error, null, true));
    }
  });
}

function errorRequest(link, error) {
  const document = errorDocument(error);
  return link.post(`invocation/${requestId}/error`, JSON.stringify(document),
    'Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: ' +
    `${headerText(document.errorType)}\r\n`);
}

function headerText(text) {
  return String(text).replace(/[^\x20-\x7e]/g, '?');
}

function responseText(result) {
  let text;
  try {
    text = JSON.stringify(result === undefined ? null : result);
  } catch { /* circular, or holds a BigInt */ }
  if (text === undefined) throw new Error('Unable to stringify response body');
  return text;
}

async function serve(handler, headers, body) {
  if (streams(handler)) {
    const context = makeContext(headers, () => {});
    return runStreaming(link, handler, JSON.parse(body.toString()), context);
  }
  let request;
  try {
    const result = await callHandler(handler, JSON.parse(body.toString()), headers);
    const text = responseText(result);
    request = link.post(`invocation/${requestId}/response`, text,
      'Content-Type: application/json\r\n');
  } catch (error) {
    logError('Invoke Error', error);
    request = errorRequest(link, error);
  }
  onIdle = undefined;
  link.send(request + link.get('invocation/next')); // one write, two requests
  return 'polled';
}

async function run(handler) {
  link.send(link.get('invocation/next'));
  for (;;) {
    const { status, headers, body } = await link.answer();
    if (status !== 200) process.exit(1);
    requestId = headers['lambda-runtime-aws-request-id'];
    const trace = headers['lambda-runtime-trace-id'];
    if (trace) process.env._X_AMZN_TRACE_ID = trace;
    if (await serve(handler, headers, body) !== 'polled') {
      link.send(link.get('invocation/next'));
    }
    await link.answer(); // what became of the response is the platform's affair
  }
}

// --- life --------------------------------------------------------------------------------

let onIdle;
let link;
let inInit = true;

/** Reports an error that nothing caught, and ends. */
function die(label, error) {
  logError(label, error);
  const document = errorDocument(error);
  const what = inInit ? 'init/error' : `invocation/${requestId}/error`;
  const request = link.post(what, JSON.stringify(document), 'Content-Type: application/json\r\n' +
    `Lambda-Runtime-Function-Error-Type: ${headerText(document.errorType)}\r\n`);
  link.socket.ref();
  link.socket.write(request);
  const code = inInit ? 1 : 128;
  link.answer().then(() => process.exit(code));
}

function watch() {
  process.on('uncaughtException', (error) => die('Uncaught Exception', error));
  process.on('unhandledRejection', (reason) => {
    const text = reason instanceof Error ? `${reason}` : util.inspect(reason);
    const error = runtimeError('Runtime.UnhandledPromiseRejection', text, reason);
    error.reason = reason;
    die('Unhandled Promise Rejection', error);
  });
  process.on('beforeExit', () => {
    const idle = onIdle;
    onIdle = undefined;
    link.socket.ref();
    if (idle) idle();
  });
}

async function begin(given) {
  if (Object.keys(given).length) { // else it was there from the start
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, given);
  }
  delete process.env.HAAR_ASSIGN_FD;
  const environment = process.env;
  const memory = Number(environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE || 128);
  require('v8').setFlagsFromString(`--max-old-space-size=${Math.floor(memory * 0.9)}`);
  require('module')._initPaths(); // reads NODE_PATH again
  try {
    process.chdir(environment.LAMBDA_TASK_ROOT || '/var/task');
  } catch { /* an empty task root fails below */ }
  patchConsole();
  offerStreaming();
  watch();
  let handler;
  try {
    handler = await findHandler();
  } catch (error) {
    return die('Uncaught Exception', error);
  }
  inInit = false;
  return run(handler);
}

function main() {
  link = new Link(process.env.AWS_LAMBDA_RUNTIME_API);
  const parts = [];
  const assignment = new net.Socket({ fd: Number(process.env.HAAR_ASSIGN_FD), readable: true });
  assignment.on('data', (part) => parts.push(part));
  assignment.on('error', () => process.exit(0));
  assignment.on('end', () => {
    if (!parts.length) process.exit(0); // the platform went before it had work
    assignment.destroy();
    begin(JSON.parse(Buffer.concat(parts).toString()));
  });
}

main();
