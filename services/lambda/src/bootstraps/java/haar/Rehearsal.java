package haar;

import java.lang.reflect.Proxy;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.List;
import java.util.Map;

/** Does once, ahead of the work, what the first invocation will do, so that it finds it loaded. */
final class Rehearsal {
    private Rehearsal() {}

    /** A value with most of what values have. */
    public static final class Sample {
        /** A public field. */
        public int number;
        private String text;
        private List<Map<String, Double>> items;

        public String getText() {
            return text;
        }

        public void setText(String text) {
            this.text = text;
        }

        public List<Map<String, Double>> getItems() {
            return items;
        }

        public void setItems(List<Map<String, Double>> items) {
            this.items = items;
        }

        /** A handler. */
        public Sample handle(Sample sample) {
            if (sample.number > 1) {
                throw new IllegalStateException("rehearsed");
            }
            return sample;
        }
    }

    static void run() throws Exception {
        URL nowhere = new java.io.File("/var/task/nothing.jar").toURI().toURL();
        URLClassLoader loader = new URLClassLoader(new URL[] {nowhere}, Rehearsal.class.getClassLoader());
        Handlers handlers = new Handlers(loader);
        try {
            Handler handler = handlers.find(Sample.class.getName() + "::handle");
            for (int number = 1; number < 3; number++) {
                call(handler, "{\"number\":" + number + ",\"text\":\"a\\n\",\"items\":[{\"a\":1.5}]}");
            }
        } catch (Failure expected) {
            expected.document();
            expected.logged();
        }
        Runnable proxy = (Runnable) Proxy.newProxyInstance(Rehearsal.class.getClassLoader(),
                new Class<?>[] {Runnable.class}, (self, method, arguments) -> null);
        proxy.run();
        loader.close();
    }

    private static void call(Handler handler, String event) throws Failure {
        try {
            handler.call(event.getBytes("UTF-8"), null);
        } catch (Throwable e) {
            throw Failure.thrown(e);
        }
    }
}
