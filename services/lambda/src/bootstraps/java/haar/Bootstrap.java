package haar;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;

/**
 * haar's runtime for Java functions: waits, is given its work, polls the Runtime API.
 *
 * <p>Started ahead of its work, it reads its environment (JSON; empty where it already has it)
 * from the descriptor HAAR_ASSIGN_FD to its end; then it loads the handler and serves invocations.
 */
public final class Bootstrap {
    private static final String TRACE = "com.amazonaws.xray.traceHeader";
    private static final byte[] NOTHING = {};

    private final Link link;
    private Handler handler;
    /** The handler cannot be had: each invocation is answered so. */
    private Failure unusable;
    private Contexts contexts;

    private Bootstrap(Link link) {
        this.link = link;
    }

    /** Runs until the platform ends it. */
    public static void main(String[] arguments) throws Exception {
        Bootstrap bootstrap = new Bootstrap(new Link(System.getenv("AWS_LAMBDA_RUNTIME_API")));
        Raw.prepare();
        Rehearsal.run();
        Map<String, String> environment = awaitAssignment();
        if (environment.isEmpty()) { // it was there from the start
            Raw.variable("HAAR_ASSIGN_FD", null);
        } else {
            Raw.environment(environment);
            Raw.goToCode();
        }
        takeTimeZone();
        Events.setUp();
        try {
            bootstrap.load(System.getenv("_HANDLER"));
            bootstrap.serve();
        } catch (Throwable e) { // no frame of the function's is above this one
            e.printStackTrace();
            Events.flush();
            Runtime.getRuntime().halt(1);
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, String> awaitAssignment() throws Exception {
        int descriptor = Integer.parseInt(System.getenv("HAAR_ASSIGN_FD"));
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        try (InputStream assignment = new FileInputStream(Raw.descriptor(descriptor))) {
            byte[] part = new byte[16 << 10];
            for (int size = assignment.read(part); size > 0; size = assignment.read(part)) {
                text.write(part, 0, size);
            }
        }
        if (text.size() == 0) {
            Runtime.getRuntime().halt(0); // the platform went before it had work
        }
        return (Map<String, String>) Json.parse(text.toString("UTF-8"));
    }

    private static void takeTimeZone() {
        String zone = System.getenv("TZ");
        if (zone != null && !zone.equals(":UTC") && System.getProperty("user.timezone", "").isEmpty()) {
            TimeZone.setDefault(TimeZone.getTimeZone(zone.startsWith(":") ? zone.substring(1) : zone));
        }
    }

    private void load(String name) throws Exception {
        ClassLoader loader = loader(System.getenv("LAMBDA_TASK_ROOT"));
        Thread.currentThread().setContextClassLoader(loader);
        Handlers handlers = new Handlers(loader);
        contexts = new Contexts(loader, handlers);
        contexts.of(Collections.<String, String>emptyMap()); // its classes are made now, not later
        try {
            handler = handlers.find(name);
        } catch (Failure failure) {
            if (failure.isFatal) {
                Events.failure(failure);
                failInit(failure);
            }
            unusable = failure;
        }
    }

    /** Classes of the function: its code, its `lib`, its layers. */
    private static ClassLoader loader(String root) throws Exception {
        List<URL> places = new ArrayList<>();
        places.add(new File(root).toURI().toURL());
        jars(new File(root, "lib"), places);
        jars(new File("/opt/java/lib"), places);
        return new URLClassLoader(places.toArray(new URL[0]), Bootstrap.class.getClassLoader());
    }

    private static void jars(File folder, List<URL> places) throws Exception {
        String[] names = folder.list();
        if (names == null) {
            return;
        }
        Arrays.sort(names);
        for (String name : names) {
            if (name.endsWith(".jar")) {
                places.add(new File(folder, name).toURI().toURL());
            }
        }
    }

    private void failInit(Failure failure) throws Exception {
        Events.flush();
        byte[] document = failure.document().getBytes(StandardCharsets.UTF_8);
        link.send(link.post("init/error", document, failure.kind()), NOTHING);
        link.answer();
        Runtime.getRuntime().halt(1);
    }

    private void serve() throws Exception {
        byte[] poll = link.get("invocation/next");
        link.send(poll, NOTHING);
        while (true) {
            Link.Answer event = link.answer();
            if (event.status != 200) {
                Runtime.getRuntime().halt(1);
            }
            String id = event.headers.get("lambda-runtime-aws-request-id");
            begin(id, event.headers.get("lambda-runtime-trace-id"));
            byte[] request;
            boolean ends = false;
            try {
                byte[] answer = call(event);
                request = link.post("invocation/" + id + "/response", answer, null);
            } catch (Failure failure) {
                Events.failure(failure);
                ends = failure.isFatal;
                byte[] document = failure.document().getBytes(StandardCharsets.UTF_8);
                request = link.post("invocation/" + id + "/error", document, failure.kind());
            }
            Events.flush();
            Thread.interrupted(); // a flag that the function left does not reach the next event
            link.send(request, ends ? NOTHING : poll); // one write, two requests
            link.answer(); // what became of the response is the platform's affair
            if (ends) {
                Runtime.getRuntime().halt(1);
            }
        }
    }

    private static void begin(String id, String trace) throws Exception {
        Events.requestId = id;
        Raw.variable("_X_AMZN_TRACE_ID", trace);
        if (trace == null) {
            System.clearProperty(TRACE);
        } else {
            System.setProperty(TRACE, trace);
        }
    }

    private byte[] call(Link.Answer event) throws Failure {
        if (unusable != null) {
            throw unusable;
        }
        try {
            return handler.call(event.body, contexts.of(event.headers));
        } catch (Throwable e) {
            throw Failure.thrown(e);
        }
    }
}
