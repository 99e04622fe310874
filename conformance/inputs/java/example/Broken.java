package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.ArrayList;
import java.util.List;

/** Fails as it is told to. */
public class Broken implements RequestHandler<String, String> {
    @Override
    public String handleRequest(String how, Context context) {
        switch (how) {
            case "throw":
                throw new IllegalStateException("not today", new RuntimeException("tired"));
            case "heap":
                return fill();
            case "deep":
                return deep(1) + "";
            case "exit":
                System.exit(3);
                return null;
            default:
                return how;
        }
    }

    private static String fill() {
        List<byte[]> all = new ArrayList<>();
        while (true) {
            all.add(new byte[1 << 20]);
        }
    }

    private static int deep(int level) {
        return deep(level + 1) + 1;
    }

    /** Cannot be made. */
    public static class AtStart implements RequestHandler<String, String> {
        public AtStart() {
            throw new IllegalArgumentException("not at start");
        }

        @Override
        public String handleRequest(String event, Context context) {
            return event;
        }
    }

    /** Has nothing to do with functions. */
    public static class Unrelated {}
}
