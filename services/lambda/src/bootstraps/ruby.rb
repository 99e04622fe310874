# frozen_string_literal: true

# haar's runtime for Ruby functions: waits, is given its work, polls the Runtime API.
#
# Started ahead of its work, it reads its environment (JSON) from the descriptor
# HAAR_ASSIGN_FD to its end; then it loads the handler and serves invocations.
# A 0x1E byte in the output stands for a line break inside one log event.

require 'json'
require 'logger'
require 'net/http' # what the first invocation needs is loaded while we wait
require 'socket'
require 'stringio'
require 'time'

module Haar
  API = '/2018-06-01/runtime/'
  INNER_BREAK = "\x1e".b
  private_constant :API, :INNER_BREAK

  # Stack frames that an error tells of.
  FRAMES_MAX = 100

  class << self
    # The invocation in hand, for log lines.
    attr_accessor :request_id
  end

  # Writes each text as one log event.
  module Events
    def self.write(text)
      bytes = text.to_s.b
      bytes = bytes.chomp.gsub("\n".b, INNER_BREAK)
      STDOUT.write(bytes << "\n")
    end

    def self.close; end
  end

  # Log lines with the request's id. AWS docs: *Log and monitor Ruby Lambda functions*.
  class LogFormatter < Logger::Formatter
    def call(severity, time, progname, message)
      stamp = time.strftime('%Y-%m-%dT%H:%M:%S.%6N')
      format("%s, [%s #%d %s] %5s -- %s: %s\n", severity[0], stamp, Process.pid,
             Haar.request_id, severity, progname, msg2str(message))
    end
  end

  # Has loggers that write to the standard streams write events.
  module LoggerPatch
    def initialize(logdev = nil, *rest, **options)
      is_standard = logdev.nil? || logdev.equal?($stdout) || logdev.equal?($stderr)
      super(is_standard ? Events : logdev, *rest, **options)
      @default_formatter = LogFormatter.new if is_standard
    end
  end

  # One kept connection to the Runtime API; requests may be sent ahead of answers.
  class Link
    def initialize(address)
      @address = address
      host, port = address.split(':')
      @socket = TCPSocket.new(host, port.to_i)
      @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      @socket.binmode
    end

    def get(path)
      "GET #{API}#{path} HTTP/1.1\r\nHost: #{@address}\r\n\r\n".b
    end

    def post(path, body, headers)
      lines = headers.map { |name, value| "#{name}: #{value}\r\n" }.join
      head = "POST #{API}#{path} HTTP/1.1\r\nHost: #{@address}\r\n#{lines}" \
             "Content-Length: #{body.bytesize}\r\n\r\n"
      head.b << body.b
    end

    def send(data)
      @socket.write(data)
    end

    # Reads one answer: status, headers with lower-case names, body.
    def answer
      status = line.split(' ', 3)[1].to_i
      headers = {}
      until (field = line).empty?
        name, value = field.split(': ', 2)
        headers[name.downcase] = value.to_s.force_encoding(Encoding::UTF_8)
      end
      length = headers['content-length'].to_i
      [status, headers, length.zero? ? +'' : @socket.read(length)]
    end

    private

    def line
      text = @socket.gets("\r\n")
      exit!(0) if text.nil? # the platform is gone
      text.chomp("\r\n")
    end
  end

  # Where the handler is. AWS docs: *Define Lambda function handler in Ruby*.
  class HandlerName
    attr_reader :file

    def initialize(text)
      parts = text.split('.')
      case parts.size
      when 2 then @file, @method = parts
      when 3 then @file, @class, @method = parts
      else
        raise ArgumentError, "Invalid handler #{text}, must be of form FILENAME.METHOD or " \
                             'FILENAME.CLASS.METHOD where FILENAME corresponds with an existing ' \
                             'Ruby source file FILENAME.rb, CLASS is an optional module/class ' \
                             'namespace and METHOD is a callable method. If using CLASS, METHOD ' \
                             'must be a class-level method.'
      end
    end

    def call(event, context)
      holder = @class ? Kernel.const_get(@class) : TopLevel.new
      holder.__send__(@method, event: event, context: context)
    end
  end

  # Has no methods but those that a function's file defines outside of classes.
  class TopLevel
  end

  # An error as the function's caller sees it.
  class Failure
    STANDARD = %w[ArgumentError NoMethodError Exception StandardError NameError LoadError
                  SystemExit SystemStackError].freeze

    def initialize(error, origin)
      @error = error
      @origin = origin
    end

    def document
      { errorMessage: message, errorType: "#{@origin}<#{@error.class}>", stackTrace: frames }
    end

    # What it is counted as.
    def kind
      STANDARD.include?(@error.class.to_s) ? "#{@origin}<#{@error.class}>" : 'Function<UserException>'
    end

    # The function cannot go on: its code is not what it should be, or it wants to end.
    def fatal?
      @error.is_a?(NameError) || !@error.is_a?(StandardError)
    end

    def log(text)
      Events.write(text)
      Events.write(JSON.pretty_generate(document))
    end

    private

    def message
      text = @error.message.to_s.dup
      text.force_encoding(Encoding::UTF_8) unless text.encoding == Encoding::UTF_8
      text.scrub
    end

    def frames
      all = @error.backtrace_locations || @error.backtrace || []
      all.map(&:to_s).take_while { |frame| !frame.start_with?(__FILE__) }.first(FRAMES_MAX)
    end
  end

  # What a handler is given as its `context:`. AWS docs: *Lambda context object in Ruby*.
  class LambdaContext
    attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name,
                :function_name, :memory_limit_in_mb, :function_version, :identity,
                :client_context, :deadline_ms, :tenant_id

    def initialize(headers)
      @aws_request_id = headers['lambda-runtime-aws-request-id']
      @invoked_function_arn = headers['lambda-runtime-invoked-function-arn']
      @deadline_ms = headers['lambda-runtime-deadline-ms'].to_i
      @tenant_id = headers['lambda-runtime-aws-tenant-id']
      @identity = parsed(headers['lambda-runtime-cognito-identity'])
      @client_context = parsed(headers['lambda-runtime-client-context'])
      @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
      @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
      @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
      @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
      @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    end

    def get_remaining_time_in_millis
      left = @deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)
      left.positive? ? left : 0
    end

    private

    def parsed(text)
      JSON.parse(text) if text && !text.empty?
    end
  end

  # Loads the handler and runs it for each event.
  class Runner
    def initialize(link)
      @link = link
    end

    def run(handler_text)
      load_handler(handler_text)
      poll = @link.get('invocation/next')
      @link.send(poll)
      loop do
        status, headers, body = @link.answer
        exit!(1) unless status == 200
        path, answer, more, fatal = serve(headers, body)
        flush
        request = @link.post(path, answer, more)
        @link.send(fatal ? request : request << poll) # one write, two requests
        @link.answer # what became of the response is the platform's affair
        exit!(255) if fatal
      end
    end

    private

    def load_handler(text)
      @handler = HandlerName.new(text)
      require @handler.file
    rescue Exception => e
      failure = Failure.new(e, 'Init')
      failure.log("Init error when loading handler #{text}")
      flush
      @link.send(@link.post('init/error', JSON.generate(failure.document), error_headers(failure)))
      @link.answer
      exit!(252)
    end

    def serve(headers, body)
      id = Haar.request_id = headers['lambda-runtime-aws-request-id']
      trace = headers['lambda-runtime-trace-id']
      ENV['_X_AMZN_TRACE_ID'] = trace if trace
      result = @handler.call(JSON.parse(body.force_encoding(Encoding::UTF_8)),
                             LambdaContext.new(headers))
      answer, type = marshal(result)
      ["invocation/#{id}/response", answer, { 'Content-Type' => type }, false]
    rescue Exception => e
      failure = Failure.new(e, 'Function')
      fatal = failure.fatal?
      failure.log(fatal ? 'Critical exception from handler' : 'Error raised from handler method')
      ["invocation/#{id}/error", JSON.generate(failure.document), error_headers(failure), fatal]
    end

    def marshal(result)
      case result
      when StringIO, IO then [result.read.to_s, 'application/unknown']
      else [JSON.generate(result), 'application/json']
      end
    end

    def error_headers(failure)
      { 'Content-Type' => 'application/json', 'Lambda-Runtime-Function-Error-Type' => failure.kind }
    end

    def flush
      [$stdout, $stderr, STDOUT, STDERR].each { |stream| stream.flush if stream.respond_to?(:flush) }
    end
  end

  def self.await_assignment
    text = IO.for_fd(ENV['HAAR_ASSIGN_FD'].to_i, 'rb', autoclose: false).read
    exit!(0) if text.empty? # the platform went before it had work
    JSON.parse(text.force_encoding(Encoding::UTF_8))
  end

  # Takes on an environment that was not there when the interpreter started.
  def self.adopt(environment)
    ENV.replace(environment)
    paths = ENV.fetch('RUBYLIB', '').split(':').reject(&:empty?)
    $LOAD_PATH.unshift(*(paths - $LOAD_PATH))
  end

  # Has gems found where the environment says, and then where the host has its own.
  def self.find_gems
    return unless defined?(Gem) && ENV['GEM_PATH']

    places = { 'GEM_HOME' => ENV['GEM_HOME'], 'GEM_PATH' => "#{ENV['GEM_PATH']}:" }
    Gem.paths = places.compact
  end

  def self.main
    STDOUT.sync = STDERR.sync = true
    Encoding.default_external = Encoding::UTF_8
    link = Link.new(ENV['AWS_LAMBDA_RUNTIME_API'])
    GC.start
    environment = await_assignment
    adopt(environment) unless environment.empty? # else it was there from the start
    find_gems
    ENV.delete('HAAR_ASSIGN_FD')
    root = ENV.fetch('LAMBDA_TASK_ROOT', '/var/task')
    Dir.chdir(root) if File.directory?(root)
    $LOAD_PATH.unshift(root) unless $LOAD_PATH.include?(root)
    $PROGRAM_NAME = root
    Logger.prepend(LoggerPatch)
    Runner.new(link).run(ENV.fetch('_HANDLER', ''))
  end
end

# One `puts` is one log event, however many lines it has.
module Kernel
  def puts(*things)
    return $stdout.puts(*things) unless $stdout.equal?(STDOUT)

    Haar::Events.write(things.flatten.map(&:to_s).join("\n"))
    nil
  end
  module_function :puts
end

Haar.main
