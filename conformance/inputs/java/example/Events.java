package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.S3Event;
import java.io.BufferedReader;
import java.io.File;
import java.io.FileReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.List;

/** Handlers of AWS's own events, and of files beside the code. */
public class Events implements RequestHandler<S3Event, String> {
    @Override
    public String handleRequest(S3Event event, Context context) {
        S3Event.Notification first = event.getRecords().get(0);
        return first.getAwsRegion() + " " + first.getS3().getKey() + " " + first.getEventSourceArn();
    }

    /** Reads a file by a path from where the code is, in three ways. */
    public List<String> read(String path) throws IOException {
        try (BufferedReader reader = new BufferedReader(new FileReader(path))) {
            String second = new String(Files.readAllBytes(Paths.get(path)));
            return Arrays.asList(reader.readLine(), second, new File(path).getAbsolutePath());
        }
    }
}
